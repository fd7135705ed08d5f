"""Whether whoever opened a socket is still signed in: a socket lives for days, and signing out must end it soon."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from channels.db import database_sync_to_async
from django.contrib.sessions.backends.base import SessionBase
from django.db import DatabaseError

CHECK_SECONDS = 30.0

log = structlog.get_logger(__name__)


async def signed_out(session: SessionBase | None, *, every_seconds: float = CHECK_SECONDS) -> None:
    """Return when ``session`` has ended. While SQL is away nobody is signed out."""
    key = None if session is None else session.session_key
    while True:
        await asyncio.sleep(every_seconds)
        try:
            if key is not None and not await database_sync_to_async(_exists)(session, key):
                return
        except DatabaseError as error:
            log.warning("session_not_checked", reason=str(error))


def _exists(session: Any, key: str) -> bool:
    return bool(session.exists(key))

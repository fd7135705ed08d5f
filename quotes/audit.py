"""Feed events to SQL, in batches and with retention. Bounded: an audit trail must not hurt what it watches."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import UTC, datetime, timedelta

import structlog
from django.db import DatabaseError, close_old_connections

from quotes.models import FeedEvent
from quotes.threads import WorkerThread

RETENTION = timedelta(days=30)
_BATCH_SECONDS = 1.0
_MOST_WAITING = 5_000
_PRUNE_EVERY_SECONDS = 3_600.0

log = structlog.get_logger(__name__)


class AuditTrail:
    """``note`` never waits; ``run`` writes. While SQL is away the oldest events are dropped and counted."""

    def __init__(self, thread: WorkerThread) -> None:
        self.dropped = 0
        self._thread = thread
        self._waiting: deque[FeedEvent] = deque()
        self._prune_at = 0.0

    def note(self, kind: str, *, provider: str = "", symbol: str = "", reason: str = "", volume: float = 0.0) -> None:
        """Record something that happened now."""
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        event = FeedEvent(time=datetime.now(UTC), kind=kind, provider=provider, symbol=symbol, volume=volume)
        event.reason = reason[:300]
        self._waiting.append(event)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_BATCH_SECONDS)
            await self.flush()
            now = asyncio.get_running_loop().time()
            if now >= self._prune_at and await self._try(prune):
                self._prune_at = now + _PRUNE_EVERY_SECONDS

    async def flush(self) -> None:
        """Write what waits, once; it waits again if SQL is away.

        Taken out first: what is noted meanwhile may push out the oldest, and the thread goes on with what a cancelled
        call gave it.
        """
        if not self._waiting:
            return
        events, self._waiting = list(self._waiting), deque()
        if not await self._try(_write, events):
            room = _MOST_WAITING - len(self._waiting)
            self.dropped += max(len(events) - room, 0)
            self._waiting.extendleft(reversed(events[-room:] if room else []))

    async def _try(self, function: object, *args: object) -> bool:
        try:
            await self._thread.run(function, *args)  # type: ignore[arg-type]  # both callables are named below
        except DatabaseError as error:
            log.warning("audit_not_written", reason=str(error), waiting=len(self._waiting))
            return False
        return True


def _write(events: list[FeedEvent]) -> None:
    close_old_connections()
    FeedEvent.objects.bulk_create(events)


def prune() -> None:
    """Delete what is older than the retention."""
    close_old_connections()
    FeedEvent.objects.filter(time__lt=datetime.now(UTC) - RETENTION).delete()

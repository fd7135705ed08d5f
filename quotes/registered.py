"""Which symbols exist: asked by every subscription, so remembered for a few seconds; browsers reconnect in storms."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from channels.db import database_sync_to_async

from symbols.models import Symbol

_SECONDS = 10.0


class Registered:
    """Remembers only that a symbol exists: one that was just added is found at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: set[str] = set()
        self._until = 0.0

    async def first_unknown(self, codes: Iterable[str]) -> str | None:
        """The first of ``codes`` that is not registered, or None."""
        wanted = list(codes)
        if self._clock() >= self._until:
            self._known, self._until = set(), self._clock() + _SECONDS
        missing = [code for code in wanted if code not in self._known]
        if missing:
            self._known |= await database_sync_to_async(_existing)(missing)
        return next((code for code in wanted if code not in self._known), None)


def _existing(codes: list[str]) -> set[str]:
    return set(Symbol.objects.active().filter(code__in=codes).values_list("code", flat=True))

"""Orders to the queue: syncs of symbols whose stored history has, or may have, a hole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog
from django.db import DatabaseError

from quotes.threads import WorkerThread

EVERY_SECONDS = 60.0  # a flapping feed must not flood the queue; a sync that is due later finds the same hole
# One hole of a feed is a hole of all its symbols, and makes one run: no more symbols came for so long, or that is long
# enough.
_QUIET_SECONDS, _MOST_SECONDS = 2.0, 5.0
_LOOK_SECONDS = 0.25

log = structlog.get_logger(__name__)


class SyncOrders:
    """``want`` never waits; ``run`` asks the queue, at most once a minute a symbol, and again while SQL is away."""

    def __init__(
        self,
        queue_healing: Callable[[list[str]], object],
        thread: WorkerThread,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.asked_at: dict[str, float] = {}
        self._queue_healing, self._thread, self._clock = queue_healing, thread, clock
        self._wanted: dict[str, float] = {}  # since when

    def want(self, symbol: str) -> None:
        self._wanted.setdefault(symbol, self._clock())

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self.ask()

    async def ask(self) -> None:
        """Pass on what is due, all at once."""
        now = self._clock()
        due = {symbol: since for symbol, since in self._wanted.items() if self._is_due(symbol, now)}
        if not due or (now - max(due.values()) < _QUIET_SECONDS and now - min(due.values()) < _MOST_SECONDS):
            return
        for symbol in due:  # what is wanted from here on is asked for anew
            del self._wanted[symbol]
        try:
            await self._thread.run(self._queue_healing, list(due))
        except DatabaseError as error:
            log.warning("sync_not_queued", symbols=len(due), reason=str(error))
            self._wanted |= due
        else:
            self.asked_at |= dict.fromkeys(due, now)

    def _is_due(self, symbol: str, now: float) -> bool:
        return now - self.asked_at.get(symbol, float("-inf")) >= EVERY_SECONDS

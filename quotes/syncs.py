"""Orders to the queue: syncs of symbols whose stored history has, or may have, a hole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog
from django.db import DatabaseError

from domain.errors import UnknownSymbol
from quotes.threads import WorkerThread

EVERY_SECONDS = 60.0  # a flapping feed must not flood the queue; a sync that is due later finds the same hole
_LOOK_SECONDS = 0.25

log = structlog.get_logger(__name__)


class SyncOrders:
    """``want`` never waits; ``run`` asks the queue, at most once a minute a symbol, and again while SQL is away."""

    def __init__(
        self, queue_sync: Callable[[str], object], thread: WorkerThread, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.asked_at: dict[str, float] = {}
        self._queue_sync, self._thread, self._clock = queue_sync, thread, clock
        self._wanted: dict[str, None] = {}  # a dict keeps the order

    def want(self, symbol: str) -> None:
        self._wanted[symbol] = None

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self.ask()

    async def ask(self) -> None:
        """Pass on what is due."""
        now = self._clock()
        for symbol in list(self._wanted):
            if now - self.asked_at.get(symbol, float("-inf")) < EVERY_SECONDS:
                continue
            try:
                await self._thread.run(self._queue_sync, symbol)
            except UnknownSymbol:
                log.info("sync_of_a_removed_symbol", symbol=symbol)
            except DatabaseError as error:
                log.warning("sync_not_queued", symbol=symbol, reason=str(error))
                return
            self.asked_at[symbol] = now
            del self._wanted[symbol]

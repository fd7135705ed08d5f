"""Closed bars to the store, in batches, through outages.

Bars wait in bounded memory until the store has acknowledged them, newest version of each; what a stop leaves unsaved
goes into the checkpoint. A spool file for outages longer than memory will stand between the two (see ``put``).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import datetime

import structlog

from domain.bar import Bar, BarState
from domain.errors import SeriesBusy, StoreUnavailable
from domain.instrument import Instrument
from domain.interval import Interval
from quotes.threads import WorkerThread

BATCH_SECONDS = 0.2
BATCH_BARS = 500
CAPACITY = 100_000  # bars in memory, about 60 MB; a dozen symbols fill it in three days
_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 0.25, 5.0

Series = tuple[Instrument, Interval]
Save = Callable[[Instrument, Interval, list[Bar]], object]
log = structlog.get_logger(__name__)


class Writer:
    """``put`` never waits; ``run`` saves in a thread of its own.

    ``on_saved(series, bars, was_late)`` after an acknowledgement, ``was_late`` where a failure came before it;
    ``on_lost(series, bar)`` for each bar that found no room.
    """

    def __init__(
        self,
        save: Save,
        *,
        on_saved: Callable[[Series, list[Bar], bool], None],
        on_lost: Callable[[Series, Bar], None],
        capacity: int = CAPACITY,
    ) -> None:
        self.lost = 0
        self._save, self._on_saved, self._on_lost, self._capacity = save, on_saved, on_lost, capacity
        self._waiting: dict[Series, dict[datetime, Bar]] = {}
        self._in_hand: dict[Series, list[Bar]] = {}
        self._count = 0
        self._wake = asyncio.Event()
        self._full = asyncio.Event()
        self._thread = WorkerThread("bar-writer")
        self._late: set[Series] = set()

    def put(self, instrument: Instrument, bar: Bar) -> None:
        """Have ``bar`` saved. Beyond the capacity the oldest bar of the longest queue is lost, counted and told."""
        series = instrument, bar.interval
        bars = self._waiting.setdefault(series, {})
        known = bars.get(bar.open_time)
        if known is None:
            if self._count >= self._capacity:
                self._lose_one()
            self._count += 1
        elif known.state is BarState.FINAL and bar.state is not BarState.FINAL:
            return
        bars[bar.open_time] = bar
        self._wake.set()
        if self._count >= BATCH_BARS:
            self._full.set()

    def unsaved(self) -> list[tuple[Instrument, Bar]]:
        """Everything that the store has not acknowledged."""
        in_hand = [(series[0], bar) for series, bars in self._in_hand.items() for bar in bars]
        return in_hand + [(series[0], bar) for series, bars in self._waiting.items() for bar in bars.values()]

    async def run(self) -> None:
        """Save until cancelled."""
        pause = _FIRST_RETRY_SECONDS
        while True:
            await self._wake.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BATCH_SECONDS):
                    await self._full.wait()
            if await self.save_all():
                pause = _FIRST_RETRY_SECONDS
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LAST_RETRY_SECONDS)

    async def drain(self, deadline: float) -> None:
        """Save what waits, trying until ``deadline`` (``time.monotonic``)."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                while self._waiting and not await self.save_all():
                    await asyncio.sleep(_FIRST_RETRY_SECONDS)

    def close(self) -> None:
        self._thread.close()

    async def save_all(self) -> bool:
        """Save everything that waits, once; whether all of it was acknowledged."""
        if self._in_hand:  # an earlier call was given up while the store had it: its bars are saved again
            self._put_back(self._in_hand)
        self._wake.clear()
        self._full.clear()
        self._in_hand = {series: list(bars.values()) for series, bars in self._waiting.items() if bars}
        self._waiting, self._count = {}, 0
        saved, reason = await self._thread.run(self._save_each, dict(self._in_hand))
        for series in saved:
            self._on_saved(series, self._in_hand.pop(series), series in self._late)
            self._late.discard(series)
        if not self._in_hand:
            return True
        left = sum(map(len, self._in_hand.values()))
        log.warning("bars_not_saved", bars=left, series=len(self._in_hand), reason=reason)
        self._late.update(self._in_hand)
        self._put_back(self._in_hand)
        return False

    def _save_each(self, batch: dict[Series, list[Bar]]) -> tuple[list[Series], str]:
        """In the thread: what was saved, and why the rest was not."""
        saved: list[Series] = []
        reason = ""
        for (instrument, interval), bars in batch.items():
            try:
                self._save(instrument, interval, bars)
            except SeriesBusy as error:
                reason = str(error)
            except StoreUnavailable as error:
                return saved, str(error)  # the others would meet the same
            except Exception as error:
                log.exception("save_failed", symbol=instrument.symbol, interval=interval.value, bars=len(bars))
                reason = str(error)
            else:
                saved.append((instrument, interval))
        return saved, reason

    def _put_back(self, batch: dict[Series, list[Bar]]) -> None:
        self._in_hand = {}
        for series, bars in batch.items():
            newer = self._waiting.pop(series, {})
            self._waiting[series] = {bar.open_time: bar for bar in bars} | newer
        self._count = sum(map(len, self._waiting.values()))
        while self._count > self._capacity:
            self._lose_one()
        self._wake.set()

    def _lose_one(self) -> None:
        series = max(self._waiting, key=lambda one: len(self._waiting[one]))
        bars = self._waiting[series]
        bar = bars.pop(next(iter(bars)))
        self._count -= 1
        self.lost += 1
        self._on_lost(series, bar)

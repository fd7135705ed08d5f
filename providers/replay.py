"""Plays recordings in their own time, or faster. Only the recording tells what time it is."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime

import numpy as np

from domain.errors import UnknownSymbol, UnsupportedInterval
from domain.instrument import Instrument
from domain.interval import Interval
from domain.tick import Quote, Tick
from providers.base import BarPage, Baseline, Capabilities, FeedEvent, FeedEventKind, StreamEvent, SymbolMatch
from providers.recording import Recording

_NS = 10**9
_MOST_AT_ONCE = 10_000  # ticks handed over together, so that whoever takes them gets to breathe
_LONGEST_NAP_SECONDS = 1.0


class Playback:
    """Plays a recording ``speed`` times faster than it was recorded; ``inf``: as fast as its ticks are taken."""

    def __init__(self, recording: Recording, symbol: str, *, speed: float = math.inf) -> None:
        self._recording, self._symbol, self._speed = recording, symbol, speed
        self._begun = time.monotonic()
        self.played = 0

    def now_ns(self) -> int:
        """What time it is in the recording: after all ticks that were handed out, before all others."""
        times = self._recording.time_ns
        if not len(times):
            return 0
        handed_out = int(times[max(0, self.played - 1)])
        if self.played == len(times):
            return handed_out
        return max(handed_out, min(self._reached(), int(times[self.played]) - 1))

    def _reached(self) -> int:
        if self._speed == math.inf:
            return 0
        first, last = int(self._recording.time_ns[0]), int(self._recording.time_ns[-1])
        passed_ns = (time.monotonic() - self._begun) * self._speed * _NS
        return last if passed_ns >= last - first else first + int(passed_ns)  # it may be beyond 64 bits

    async def batches(self) -> AsyncIterator[list[Tick]]:
        """The ticks as they fall due, those that are due together in one list."""
        self._begun = time.monotonic()
        times = self._recording.time_ns
        while self.played < len(times):
            due = min(self.played + _MOST_AT_ONCE, len(times))
            if self._speed < math.inf:
                reached = self._reached()
                due = min(due, int(np.searchsorted(times, reached, side="right")))
                if due <= self.played:
                    missing = (int(times[self.played]) - reached) / _NS / self._speed
                    await asyncio.sleep(min(missing, _LONGEST_NAP_SECONDS))
                    continue
            start, self.played = self.played, due
            yield self._recording.ticks(self._symbol, start, due)
            await asyncio.sleep(0)


class RecordedProvider:
    """A recording as a Provider: it streams itself, and knows no history and no other symbols."""

    name = "recording"
    capabilities = Capabilities(intervals=frozenset(), ticks_are_trades=True)

    def __init__(self, playback: Playback, symbol: str) -> None:
        self._playback, self._symbol = playback, symbol

    def search(self, text: str, *, limit: int = 30) -> list[SymbolMatch]:
        return []

    def resolve(self, symbol: str) -> Instrument:
        raise UnknownSymbol(f"a recording says nothing about {symbol[:80]!r} but its ticks")

    def fetch_bars(
        self, instrument: Instrument, interval: Interval, start: datetime, end: datetime
    ) -> Iterator[BarPage]:
        raise UnsupportedInterval("a recording has ticks, no bars")

    def stream(self) -> RecordedStream:
        return RecordedStream(self._playback, self._symbol)

    def close(self) -> None:
        """Nothing is open."""


class RecordedStream:
    """The events of a recording: a connection, its one symbol, its ticks with the last price as a quote. It ends."""

    def __init__(self, playback: Playback, symbol: str) -> None:
        self._playback, self._symbol = playback, symbol
        self._is_closed = False

    def set_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Its one symbol is all there is."""

    async def __aiter__(self) -> AsyncIterator[list[StreamEvent]]:
        now = datetime.now(UTC)
        yield [
            FeedEvent(kind=FeedEventKind.CONNECTED, time=now, reason="a recording is played"),
            FeedEvent(kind=FeedEventKind.SUBSCRIBED, time=now, symbol=self._symbol),
        ]
        async for ticks in self._playback.batches():
            if self._is_closed:
                return
            last = ticks[-1]
            yield [*ticks, Quote(symbol=self._symbol, time_ns=last.time_ns, last=last.price)]

    def baselines(self) -> list[Baseline]:
        """None: a recording's sizes are its own."""
        return []

    def restore(self, baselines: Iterable[Baseline]) -> None:
        """Nothing to go on from."""

    async def close(self) -> None:
        self._is_closed = True

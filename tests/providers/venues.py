"""Local servers that speak providers' wires, on clocks of their own: what the contract suite needs of each.

A provider is in the suite with one line in ``VENUES``: its name, and a class like ``DemoVenue``.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np

from domain.bar import Bar, BarState
from domain.instrument import Instrument
from domain.interval import Interval
from providers import get_provider
from providers.base import Provider
from providers.demo.clock import ManualClock
from providers.demo.market import DemoMarket
from providers.recording import Recording
from providers.replay import Playback, RecordedProvider
from tests.providers.demo.fixtures import RunningDemoMarket


class Venue(Protocol):
    """A source whose truth is known. Its clock stands still unless it is told otherwise.

    ``symbols``: one of each kind of calendar, delay and rhythm, the first one busy and open round the clock;
    ``unknown`` exists nowhere. ``oldest``: a series with its very beginning in reach. ``deep``: one with more bars than
    fit a page, in a window of so many.
    """

    symbols: tuple[str, ...]
    unknown: str
    oldest: tuple[str, Interval, datetime]
    deep: tuple[str, Interval, int]

    def open(self, **options: Any) -> Provider:
        """Its provider, by its own clock, made with ``options``."""

    def open_elsewhere(self) -> Provider:
        """The same at a place where nobody listens."""

    @property
    def now(self) -> datetime: ...

    def pass_time(self, seconds: float) -> None:
        """Move its clock and return once it serves what has happened."""

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Time passes fast for the length of a block."""

    def instrument(self, symbol: str) -> Instrument:
        """What the provider should make of ``symbol``."""

    def truth(self, symbol: str, interval: Interval, start: datetime, end: datetime) -> list[Bar]:
        """The bars with keys in ``[start, end)`` that have closed, its feed's delay considered."""

    @property
    def most_asked(self) -> int:
        """The greatest number of bars that it was asked for at once."""

    def limit(self) -> None:
        """Refuse new connections because there were too many."""

    def delay_answers(self, seconds: float) -> None: ...

    def hang(self) -> None:
        """Begin every load, answer none."""

    @property
    def hanging(self) -> int:
        """How many loads are under way."""

    def heal(self) -> None:
        """End what the four before began."""

    def stop(self) -> None: ...


class DemoVenue:
    """The demo market, for whatever speaks TradingView's wire. It is Tuesday, and most exchanges are open."""

    symbols = (
        "DEMO:BTCUSD",
        "DEMO:AAPL",
        "DEMO:EURUSD",
        "DEMO:ES1!",
        "DEMO:7203",
        "DEMO:DEMO500",
        "DEMO:VOD",
        "DEMO:THIN",
        "DEMO:BREZ",
    )
    unknown = "DEMO:NOPE"
    oldest = ("DEMO:BTCUSD", Interval.MN1, datetime(2010, 1, 1, tzinfo=UTC))
    deep = ("DEMO:BTCUSD", Interval.D1, 5_600)

    def __init__(self, name: str) -> None:
        self.name = name
        self._clock = ManualClock(datetime(2026, 11, 24, 15, 0, 20, tzinfo=UTC).timestamp())
        self._market = _WatchedMarket(1, clock=self._clock)
        self._demo = RunningDemoMarket(self._market, jump_limit_seconds=10**9)
        self._demo.start()
        self.stop = self._demo.stop
        self.heal = self._demo.faults.clear

    def open(self, **options: Any) -> Provider:
        place = {"url": self._demo.url, "search_url": self._demo.search_url}
        return get_provider(self.name, **{**place, "clock": lambda: int(self._clock() * 10**9), **options})

    def open_elsewhere(self) -> Provider:
        return self.open(url="ws://127.0.0.1:9/socket.io/websocket")  # discard

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def pass_time(self, seconds: float) -> None:
        self._clock.advance(seconds)
        wait_for(lambda: self._demo.server.now_ms >= self._market.now_ms())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async def run() -> None:
            while True:
                self._clock.advance(0.5)
                await asyncio.sleep(0.02)

        task = asyncio.create_task(run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def instrument(self, symbol: str) -> Instrument:
        return replace(self._market.instrument(symbol), provider=self.name)

    def truth(self, symbol: str, interval: Interval, start: datetime, end: datetime) -> list[Bar]:
        bars = self._market.bars(symbol, interval, start, end, self.now)
        return [bar for bar in bars if bar.state is BarState.FINAL]

    @property
    def most_asked(self) -> int:
        return self._market.most_asked

    def limit(self) -> None:
        self._demo.faults.set(rate_limit=True)

    def delay_answers(self, seconds: float) -> None:
        self._demo.faults.set(load_delay_seconds=seconds)

    def hang(self) -> None:
        self._demo.faults.set(unanswered_symbols=self.symbols)

    @property
    def hanging(self) -> int:
        charts = [chart for client in list(self._demo.server._clients) for chart in client.connection._charts.values()]
        return sum(len(chart._series) for chart in charts)


class _WatchedMarket(DemoMarket):
    """Remembers how many bars it was asked for."""

    most_asked = 0

    def rows(self, *question: Any, count: int | None = None, **more: Any) -> Any:
        self.most_asked = max(self.most_asked, count or 0)
        return super().rows(*question, count=count, **more)


class RecordedVenue:
    """A recording: ticks of one symbol. It has no history, no search and no server, so nothing to go wrong with them."""

    symbols = ("TEST:THING",)
    unknown = "TEST:NOPE"
    now = datetime(2026, 11, 24, 15, tzinfo=UTC)

    def __init__(self, name: str) -> None:
        self.name = name

    def open(self) -> Provider:
        times = np.arange(30, dtype=np.int64) // 3 * 10**9 + 10**18  # three a second
        recording = Recording(times, np.linspace(-1.0, 1.0, 30), np.arange(30, dtype=np.int64), 10**8)
        return RecordedProvider(Playback(recording, self.symbols[0]), self.symbols[0])

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        return contextlib.nullcontext()

    def instrument(self, symbol: str) -> Instrument:
        return Instrument(symbol=symbol, provider=self.name)

    def heal(self) -> None: ...

    def stop(self) -> None: ...


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


VENUES: dict[str, Callable[[str], Venue]] = {
    "tradingview": DemoVenue,
    "demo": DemoVenue,
}
STREAMS = {**VENUES, "recording": RecordedVenue}

"""One provider's feed: read to its end, begun again after a defect, and going on from where it stood."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from domain.instrument import Instrument
from domain.tick import Tick
from providers.base import Baseline, FeedEvent, StreamEvent
from quotes.feed import Feed
from tests.quotes.live import BTC

INSTRUMENT = Instrument(symbol=BTC, id=1)
BASELINE = Baseline(symbol=BTC, lots=5, lots_per_unit=1, second=1.0, count=1)


def tick(number: int) -> Tick:
    return Tick(BTC, number, 100.0, 1)


class Script:
    """A stream that gives these lists, an error among them is raised; then it waits to be closed, and gives ``last``."""

    def __init__(self, *script: list[StreamEvent] | Exception, last: Iterable[StreamEvent] = ()) -> None:
        self._script, self._last = script, list(last)
        self._closed = asyncio.Event()
        self.restored: list[Baseline] = []
        self.followed: list[Instrument] = []

    def set_instruments(self, instruments: Iterable[Instrument]) -> None:
        self.followed = list(instruments)

    def baselines(self) -> list[Baseline]:
        return [BASELINE]

    def restore(self, baselines: Iterable[Baseline]) -> None:
        self.restored = list(baselines)

    async def close(self) -> None:
        self._closed.set()

    async def __aiter__(self) -> AsyncIterator[list[StreamEvent]]:
        for step in self._script:
            if isinstance(step, Exception):
                raise step
            yield step
        await self._closed.wait()
        if self._last:
            await asyncio.sleep(0)  # the consumer is woken a moment after the stream was closed
            yield self._last


class Scripts:
    """A provider whose streams are these, one after the other."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)

    def stream(self) -> Script:
        return self._scripts.pop(0)


class Taken:
    """Ticks and events of a feed."""

    def __init__(self) -> None:
        self.events: list[StreamEvent] = []
        self._more = asyncio.Event()

    def take(self, _: Feed, events: list[StreamEvent]) -> None:
        self.events += events
        self._more.set()

    async def count(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.events) < count:
                self._more.clear()
                await self._more.wait()


def a_feed(taken: Taken, *scripts: Script, **details: Any) -> Feed:
    provider: Any = Scripts(*scripts)
    feed = Feed(provider, taken.take, name="demo", **details)
    feed.follow([INSTRUMENT])
    return feed


async def test_what_had_arrived_when_a_feed_is_closed_is_taken() -> None:
    taken = Taken()
    feed = a_feed(taken, Script([tick(1)], last=[tick(2)]))
    await taken.count(1)
    await feed.close()
    assert taken.events == [tick(1), tick(2)]


@pytest.mark.parametrize("error", [RuntimeError("a defect"), ZeroDivisionError("a defect"), ValueError("a defect")])
async def test_after_any_defect_it_is_begun_again_from_where_it_stood(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("quotes.feed._RESTART_SECONDS", 0.01)
    taken, second = Taken(), Script([tick(2)])
    feed = a_feed(taken, Script([tick(1)], error), second)
    await taken.count(3)
    first, lost, later = taken.events
    assert (first, later) == (tick(1), tick(2))
    assert isinstance(lost, FeedEvent)
    assert lost.reason == f"{type(error).__name__}: a defect"
    assert (second.followed, second.restored) == ([INSTRUMENT], [BASELINE])
    await feed.close()


async def test_it_goes_on_from_where_an_earlier_run_stood() -> None:
    taken, script = Taken(), Script([tick(1)])
    feed = a_feed(taken, script, baselines=[BASELINE])
    await taken.count(1)
    assert script.restored == [BASELINE]
    await feed.close()

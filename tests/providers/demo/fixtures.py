"""A running demo market for tests: the real server, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from providers.demo.faults import Faults
from providers.demo.market import DemoMarket
from providers.demo.server import DemoServer


class RunningDemoMarket:
    """A demo market that is up: ``url``, ``search_url``, ``market`` (its generator) and ``faults`` (its switches)."""

    def __init__(self, market: DemoMarket, **options: Any) -> None:
        self.market = market
        self.faults = Faults()
        self.server = DemoServer(market, faults=self.faults, **options)
        self._loop = asyncio.new_event_loop()
        self._started: Future[None] = Future()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="demo-market", daemon=True)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def search_url(self) -> str:
        return self.server.search_url

    def start(self) -> None:
        self._thread.start()
        self._started.result(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:  # which ends whatever the server leaves behind
            runner.run(self._serve())

    async def _serve(self) -> None:
        try:
            await self.server.start()
        except BaseException as error:
            self._started.set_exception(error)
            raise
        self._started.set_result(None)
        await self._stopping.wait()
        await self.server.stop()


StartDemoMarket = Callable[..., RunningDemoMarket]


@pytest.fixture
def start_demo_market() -> Iterator[StartDemoMarket]:
    """Start demo markets with options of one's own: those of DemoMarket first, the others go to DemoServer."""
    running: list[RunningDemoMarket] = []

    def start(
        *,
        seed: int = 1,
        clock: Callable[[], float] = time.time,
        synthetic_count: int = 0,
        ticks_a_second: float = 1.0,
        always_open: bool = False,
        **options: Any,
    ) -> RunningDemoMarket:
        market = DemoMarket(
            seed,
            clock=clock,
            synthetic_count=synthetic_count,
            ticks_a_second=ticks_a_second,
            always_open=always_open,
        )
        demo = RunningDemoMarket(market, **options)
        demo.start()
        running.append(demo)
        return demo

    yield start
    for demo in running:
        demo.stop()


@pytest.fixture(scope="session")
def shared_demo_market() -> Iterator[RunningDemoMarket]:
    """One server a test process; use ``demo_market``, which leaves it healthy."""
    demo = RunningDemoMarket(DemoMarket(1, always_open=True))
    demo.start()
    yield demo
    demo.stop()


@pytest.fixture
def demo_market(shared_demo_market: RunningDemoMarket) -> Iterator[RunningDemoMarket]:
    """A demo market in real time whose every symbol trades round the clock. Faults are cleared after each test."""
    yield shared_demo_market
    shared_demo_market.faults.clear()

"""A real job cluster that can be killed, and what must be true of the store afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from domain.bar import BarState
from domain.interval import Interval
from marketdata.models import SyncItem, SyncRun
from marketdata.repository import BarRepository
from providers.demo.market import DemoMarket

ROOT = Path(__file__).resolve().parents[3]
WINDOW = 5_000


class Cluster:
    """``manage.py qcluster`` in a process group of its own."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment, self._log = {**os.environ, **environment}, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "qcluster"],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """All its processes at once, without warning."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def ended(run: SyncRun) -> int:
    """How many of its series have ended."""
    return SyncItem.objects.filter(run=run, due_at=None).count()


def wait_until(condition: Callable[[], Any], seconds: float, what: str) -> float:
    """Seconds until ``condition`` held, looked at every 20 ms."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - begun


def kill_on_the_way(cluster: Cluster, run: SyncRun, at: Iterable[int], *, within: float) -> list[float]:
    """Kill the cluster each time so many series have ended, and start it again; after how many seconds the next ended."""
    lost = []
    for count in at:
        wait_until(lambda: ended(run) >= count, within, f"{count} series have ended")  # noqa: B023  # called at once
        before = ended(run)
        cluster.kill()
        begun = time.monotonic()
        cluster.start()
        wait_until(lambda: ended(run) > before, within, "work goes on after a kill")  # noqa: B023
        lost.append(time.monotonic() - begun)
    return lost


def assert_true_and_whole(
    repository: BarRepository, market: DemoMarket, symbols: Iterable[Any], asked_at: datetime
) -> int:
    """Every series holds the whole window, and every bar equals the market's; how many bars there are.

    ``asked_at``: when the sync was ordered. What closed since may be there or not.
    """
    count = 0
    for symbol in symbols:
        for interval in Interval:
            count += _assert_series(repository, market, symbol, interval, asked_at)
    return count


def settled(repository: BarRepository, symbols: Iterable[Any], until: datetime) -> dict[tuple[str, str], int]:
    """How many bars of each series had closed well before ``until``: what a second sync may not change."""
    return {
        (symbol.code, interval.value): sum(
            bar.close_time <= until - timedelta(seconds=30)
            for bar in repository.between(symbol.instrument(), interval, None, None)
        )
        for symbol in symbols
        for interval in Interval
    }


def _assert_series(
    repository: BarRepository, market: DemoMarket, symbol: Any, interval: Interval, asked_at: datetime
) -> int:
    stored = repository.between(symbol.instrument(), interval, None, None)
    assert stored, f"{symbol} {interval}: nothing is stored"
    now = datetime.now(UTC)
    first, last = stored[0].open_time, stored[-1].open_time
    # The market tells only its last 5,000 bars, and that window moves on while we look.
    truth = [
        bar
        for moment in (stored[-1].close_time, now)
        for bar in market.bars(symbol.code, interval, datetime(2009, 1, 1, tzinfo=UTC), now, moment)
        if bar.state is not BarState.FORMING
    ]
    closed = {bar.open_time: _values(bar) for bar in truth}
    told_from = min(closed)
    expected = [closed[key] for key in sorted(closed) if first <= key <= last]
    assert [_values(bar) for bar in stored if bar.open_time >= told_from] == expected, f"{symbol} {interval}"
    due = [bar for bar in truth if bar.close_time <= asked_at - timedelta(seconds=30)]
    assert last >= due[-1].open_time, f"{symbol} {interval}: the newest bar is missing"
    whole = min(WINDOW - 2, len({bar.open_time for bar in due}) - 2)
    assert len(expected) >= whole, f"{symbol} {interval}: {len(expected)} of {whole} bars"
    return len(stored)


def _values(bar: Any) -> tuple[Any, ...]:
    return bar.open_time, bar.open, bar.high, bar.low, bar.close, bar.volume

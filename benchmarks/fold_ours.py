"""Worker of the fold's race: ours, driven as the streamer does it: a call a tick, a sweep a minute, drained at once."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable

import numpy as np
from msgspec.structs import replace

from benchmarks.fold_market import MINUTE_NS, START_NS, BarRow, case_of, digest, serve, trades
from domain import aggregation
from domain.aggregation import Aggregator
from domain.always_open import AlwaysOpen
from domain.bulk import fold_batch
from domain.instrument import Instrument
from domain.interval import Interval
from domain.spans import Window
from domain.tick import Tick, tick_key

CASE = case_of(sys.argv[1:])
NAMES = [f"BENCH:S{number}" for number in range(CASE.symbols)]
LOTS_PER_HUNDREDTH = 10**6
LATENCY_NS = 40_000_000
_SWEEP_NS = 2 * 10**9 + 1

TRADES = trades(CASE)
TICKS = [
    Tick(NAMES[one.symbol], tick_key(one.time_ns, number), one.cents / 100, one.hundredths * LOTS_PER_HUNDREDTH)
    for number, one in enumerate(TRADES)
]
NOWS = [one.time_ns + LATENCY_NS for one in TRADES]
WARM_UP = CASE.symbols * CASE.per_minute * 2  # ticks of two minutes: then nothing is partial any more


class _MinutesOnly(AlwaysOpen):
    """A calendar in which no interval but the minute has bars."""

    def window(self, interval: Interval, at: int) -> Window | None:  # type: ignore[override]  # none is the point
        return super().window(interval, at) if interval is Interval.M1 else None


def _warm_fold() -> Aggregator:
    """A fold in its steady state: two minutes heard and the time before them seeded."""
    fold = Aggregator()
    for name in NAMES:
        fold.follow(Instrument(symbol=name))
    for tick, now in zip(TICKS[:WARM_UP], NOWS, strict=False):
        fold.add(tick, now)
    for name in NAMES:
        first = next(bar for _, bar in fold.events if bar.symbol == name and bar.interval is Interval.M1)
        fold.seed(name, [replace(first, partial=False)], through=(START_NS + MINUTE_NS) // 10**9, since=0)
    fold.drain()
    return fold


def _live() -> Callable[[], int]:
    """The ticks between two sweeps, then the sweep: the streamer's timer makes it a little after each minute's end."""
    fold, parts = _warm_fold(), []
    begin, sweep_ns = WARM_UP, NOWS[WARM_UP] // MINUTE_NS * MINUTE_NS + _SWEEP_NS
    while begin < len(TICKS):
        end = bisect_left(NOWS, sweep_ns, begin)
        parts.append((TICKS[begin:end], NOWS[begin:end], sweep_ns))
        begin, sweep_ns = end, sweep_ns + MINUTE_NS

    def timed() -> int:
        add, events = fold.add, fold.events
        for ticks, nows, sweep_ns in parts:
            for tick, now in zip(ticks, nows, strict=True):
                add(tick, now)
                if events:
                    fold.drain()
            fold.close_due(sweep_ns)
        return len(TICKS) - WARM_UP

    return timed


def _minute_only() -> Callable[[], int]:
    known = aggregation.get_calendar
    aggregation.get_calendar = lambda _name: _MinutesOnly()  # type: ignore[assignment]  # for this fold alone
    try:
        return _live()
    finally:
        aggregation.get_calendar = known


def _bulk() -> Callable[[], int]:
    """Each symbol's ticks as arrays, which is how a recording is read."""
    instruments, columns = [], []
    for number, name in enumerate(NAMES):
        mine = [one for one in TRADES if one.symbol == number]
        instruments.append(Instrument(symbol=name))
        columns.append(
            (
                np.array([one.time_ns for one in mine]),
                np.array([one.cents / 100 for one in mine]),
                np.array([one.hundredths * LOTS_PER_HUNDREDTH for one in mine]),
            )
        )

    def timed() -> int:
        for instrument, (times, prices, lots) in zip(instruments, columns, strict=True):
            fold_batch(instrument, times, prices, lots)
        return len(TRADES)

    return timed


def _check() -> str:
    fold = Aggregator()
    for name in NAMES:
        fold.follow(Instrument(symbol=name))
    for tick, now in zip(TICKS, NOWS, strict=True):
        fold.add(tick, now)
    fold.close_due(CASE.end_ns + _SWEEP_NS)
    numbers = {name: number for number, name in enumerate(NAMES)}
    rows: list[BarRow] = []
    for kind, bar in fold.drain():
        if kind == "closed":
            prices = (f"{price:.2f}" for price in (bar.open, bar.high, bar.low, bar.close))
            close_ns = int(bar.close_time.timestamp()) * 10**9
            rows.append((bar.interval.value, numbers[bar.symbol], close_ns, *prices, f"{bar.volume:.2f}"))  # type: ignore[arg-type]  # four prices
    return digest(rows, CASE)


if __name__ == "__main__":
    serve({"all": _live, "minute": _minute_only, "bulk": _bulk}, _check)

"""A fold that is too simple to be wrong: sort all ticks, sort them into windows, look at each window."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from domain.bar import Bar
from domain.calendars import Window, get_calendar
from domain.instrument import Instrument
from domain.interval import Interval
from domain.tick import Tick


class Values(NamedTuple):
    """What must be equal to the last bit."""

    open_time: dt.datetime
    starts_at: dt.datetime
    close_time: dt.datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int | None


def values(bar: Bar) -> Values:
    return Values(*(getattr(bar, name) for name in Values._fields))


def reference_bars(instrument: Instrument, ticks: Iterable[Tick], interval: Interval) -> dict[dt.datetime, Values]:
    """Every bar of ``interval`` that has a tick, by open_time."""
    calendar = get_calendar(instrument.calendar)
    windows: dict[Window, list[Tick]] = defaultdict(list)
    for tick in sorted(ticks, key=lambda one: one.key):
        window = calendar.window(interval, tick.time_ns // 10**9)
        if window is not None:
            windows[window].append(tick)
    bars = {}
    for window, inside in windows.items():
        key, start, end = (
            dt.datetime.fromtimestamp(second, dt.UTC) for second in (window.key, window.start, window.end)
        )
        prices = [tick.price for tick in inside]
        volume = sum(tick.lots for tick in inside) / instrument.lots_per_unit
        bars[key] = Values(key, start, end, prices[0], max(prices), min(prices), prices[-1], volume, len(inside))
    return bars

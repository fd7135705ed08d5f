"""The demo market's trades folded the slow and obvious way, to compare its bars with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from domain.bar import Bar
from domain.calendars import get_calendar
from domain.instrument import LOTS_PER_UNIT
from domain.interval import Interval
from providers.demo.market import DemoMarket


class Folded(NamedTuple):
    """What must be equal, to the last bit; times in epoch seconds."""

    key: int
    start: int
    end: int
    open: float
    high: float
    low: float
    close: float
    volume: float


def at(text: str) -> datetime:
    """``text`` (ISO, UTC) as an aware datetime."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def refold(
    market: DemoMarket, symbol: str, start: datetime, end: datetime, *intervals: Interval
) -> dict[Interval, list[Folded]]:
    """Bars of the trades in ``[start, end)``, by a window looked up for each trade."""
    calendar = get_calendar(market.listing(symbol).calendar)
    found: dict[Interval, dict[int, list]] = {interval: {} for interval in intervals}
    current: dict[Interval, list] = {}
    second = 10**9
    for tick in market.ticks(symbol, int(start.timestamp()) * second, int(end.timestamp() * 1_000) * 10**6):
        time, price = tick.time_ns // second, tick.price
        for interval, bars in found.items():
            bar = current.get(interval)
            if bar is None or not bar[0].start <= time < bar[0].end:
                window = calendar.window(interval, time)
                assert window is not None, f"{symbol} traded at {tick.time_ns} while closed"
                current[interval] = bar = bars.setdefault(window.key, [window, price, price, price, price, 0])
            if price > bar[2]:
                bar[2] = price
            if price < bar[3]:
                bar[3] = price
            bar[4] = price
            bar[5] += tick.lots
    return {
        interval: [
            Folded(window.key, window.start, window.end, *prices, lots / LOTS_PER_UNIT)
            for window, *prices, lots in bars.values()
        ]
        for interval, bars in found.items()
    }


def served(market: DemoMarket, symbol: str, interval: Interval, start: datetime, end: datetime, now: datetime):
    """The market's own bars with open_time in ``[start, end)``, for comparison with `refold`."""
    return [as_folded(bar) for bar in market.bars(symbol, interval, start, end, now)]


def as_folded(bar: Bar) -> Folded:
    times = (bar.open_time, bar.starts_at, bar.close_time)
    return Folded(*(int(time.timestamp()) for time in times), bar.open, bar.high, bar.low, bar.close, bar.volume)

"""The calendar of markets that never close: everything counts from 00:00 UTC."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from domain.interval import Interval
from domain.spans import DAY, Alignment, Calendar, Segment, TradingDay, Window, date_of, day_number, monday_of, month_of

_FIRST = day_number(dt.date.min) * DAY  # nothing is asked before it, but stretches of a fixed length may begin there


class AlwaysOpen(Calendar):
    """Trades around the clock; all bars are aligned to UTC and named by their start."""

    name = "24/7"
    alignment: Alignment = "utc"
    timezone = "UTC"

    def __init__(self) -> None:
        self._recent: dict[Interval, Window] = {}

    def window(self, interval: Interval, at: int) -> Window:
        window = self._recent.get(interval)
        if window is None or not window.start <= at < window.end:
            window = self._recent[interval] = _window(interval, at)
        return window

    def windows(self, interval: Interval, start: int, end: int) -> Iterator[Window]:
        if start >= end:
            return
        seconds = interval.seconds
        if seconds is not None:
            starts = range(-(-start // seconds) * seconds, end, seconds)
            yield from map(Window, starts, range(starts.start + seconds, end + seconds, seconds), starts)
            return
        window = _window(interval, max(start, _FIRST))
        if window.key < start:
            window = _window(interval, window.end)
        while window.key < end:
            yield window
            window = _window(interval, window.end)

    def trading_days(self, start: dt.date, end: dt.date) -> list[TradingDay]:
        return [_trading_day(day) for day in range(day_number(start), day_number(end))]

    def trading_day_at(self, at: int) -> TradingDay:
        return _trading_day(at // DAY)

    def is_open(self, at: int) -> bool:
        return True

    def next_open(self, at: int) -> None:
        return None

    def next_close(self, at: int) -> None:
        return None


def _window(interval: Interval, at: int) -> Window:
    seconds = interval.seconds
    if seconds is not None:
        start = at - at % seconds  # every intraday length divides the day, so this counts from 00:00 UTC
        return Window(start, start + seconds, start)
    day = at // DAY
    if interval is Interval.D1:
        first, following = day, day + 1
    elif interval is Interval.W1:
        first = monday_of(day)
        following = first + 7
    else:
        first, following = month_of(day)
    return Window(first * DAY, following * DAY, first * DAY)


def _trading_day(day: int) -> TradingDay:
    return TradingDay(date_of(day), (Segment(day * DAY, (day + 1) * DAY, "regular"),))

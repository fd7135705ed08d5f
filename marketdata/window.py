"""A provider's window: so many bars back from now, and no further."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from datetime import UTC, datetime
from functools import lru_cache

from domain.calendars import get_calendar
from domain.coverage import chunks_of
from domain.errors import UnknownCalendar
from domain.interval import Interval
from marketdata.spans import nominal

_DAY = 86_400
# Per bar of an intraday interval: the shortest trading days last four hours of 24, five days of seven.
_SPARSE = 9
_BLOCK_CHUNKS = 20


def window_start(calendar: str, interval: Interval, bars: int, now: int) -> int:
    """The key of the first of the last ``bars`` expected bars, the one in progress included; epoch seconds.

    In a market where minutes pass without a trade a provider reaches further back: it counts bars that exist.
    """
    return _window_start(calendar, interval, bars, now - now % 60)


@lru_cache(maxsize=256)
def _window_start(calendar: str, interval: Interval, bars: int, now: int) -> int:
    length = _nominal_length(interval)
    if calendar == "24/7" and interval.seconds is not None:
        return now - now % length - (bars - 1) * length
    reach = bars * length * (_SPARSE if interval.is_intraday else 2) + 14 * _DAY
    try:
        keys = [window.key for window in get_calendar(calendar).windows(interval, now - reach, now + 1)]
    except UnknownCalendar:
        return now - reach
    return keys[-bars] if len(keys) >= bars else now - reach


def leaves_window_at(calendar: str, interval: Interval, bars: int, key: int) -> datetime | None:
    """When the bar at ``key`` is no longer among the last ``bars``; None where the calendar does not tell."""
    length = _nominal_length(interval)
    if calendar == "24/7" and interval.seconds is not None:
        return datetime.fromtimestamp(key + bars * length, UTC)
    span = chunks_of(interval).length * (_BLOCK_CHUNKS if interval.is_intraday else 1)
    number = key // span
    keys, starts = _block(calendar, interval, number, span)
    place, last = bisect_left(keys, key) + bars, number + bars * length * _SPARSE // span + 2
    while place >= len(starts):
        place, number = place - len(starts), number + 1
        if number > last:
            return None
        _, starts = _block(calendar, interval, number, span)
    return datetime.fromtimestamp(starts[place], UTC)


@lru_cache(maxsize=64)
def _block(calendar: str, interval: Interval, number: int, span: int) -> tuple[array[int], array[int]]:
    """Keys and starts of the bars whose keys lie in one stretch of ``span`` seconds, as far as the calendar knows."""
    keys, starts = array("q"), array("q")
    try:
        for window in get_calendar(calendar).windows(interval, number * span, (number + 1) * span):
            keys.append(window.key)
            starts.append(window.start)
    except UnknownCalendar:
        pass  # before its first day, or after its last: nothing is known to trade there
    return keys, starts


def _nominal_length(interval: Interval) -> int:
    start, end = nominal(interval, 0)
    return end - start

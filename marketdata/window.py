"""A provider's window: so many bars back from now, and no further."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice

from domain.calendars import get_calendar
from domain.errors import UnknownCalendar
from domain.interval import Interval
from marketdata.spans import nominal

_DAY = 86_400
# Per bar of an intraday interval: the shortest trading days last four hours of 24, five days of seven.
_SPARSE = 9


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
        keys = [window.key for window in get_calendar(calendar).windows(interval, now - reach, now)]
    except UnknownCalendar:
        return now - reach
    return keys[-bars] if len(keys) >= bars else now - reach


@lru_cache(maxsize=4_096)
def leaves_window_at(calendar: str, interval: Interval, bars: int, key: int) -> datetime | None:
    """When the bar at ``key`` is no longer among the last ``bars``; None where the calendar does not tell."""
    length = _nominal_length(interval)
    if calendar == "24/7" and interval.seconds is not None:
        return datetime.fromtimestamp(key + bars * length, UTC)
    reach = bars * length * (_SPARSE if interval.is_intraday else 2) + 14 * _DAY
    try:
        later = next(islice(get_calendar(calendar).windows(interval, key, key + reach), bars, None), None)
    except UnknownCalendar:
        return None
    return None if later is None else datetime.fromtimestamp(later.start, UTC)


def _nominal_length(interval: Interval) -> int:
    start, end = nominal(interval, 0)
    return end - start

"""Which trading day a moment belongs to, for telling a new session's volume from a correction."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from domain.calendars import get_calendar
from domain.errors import UnknownCalendar
from domain.interval import Interval


def is_later_day(calendar_name: str, before: int, after: int) -> bool:
    """Whether ``after`` belongs to a later trading day than ``before``; epoch seconds.

    Outside trading hours the date on the exchange's clock decides: a print after the close is still today's.
    Where the calendar does not reach, the UTC date does.
    """
    try:
        calendar = get_calendar(calendar_name)
        day, next_day = calendar.window(Interval.D1, before), calendar.window(Interval.D1, after)
    except UnknownCalendar:
        return datetime.fromtimestamp(after, UTC).date() > datetime.fromtimestamp(before, UTC).date()
    if day is not None and next_day is not None:
        return next_day.key > day.key
    zone = ZoneInfo(calendar.timezone)
    return datetime.fromtimestamp(after, zone).date() > datetime.fromtimestamp(before, zone).date()


def was_open(calendar_name: str, start: int, end: int) -> bool:
    """Whether the market traded both at ``start`` and at ``end``, so that quiet between them means something."""
    try:
        calendar = get_calendar(calendar_name)
        return calendar.is_open(start) and calendar.is_open(end)
    except UnknownCalendar:
        return False

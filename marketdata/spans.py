"""The spans of stored bars. They are not stored: key, interval and calendar tell them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from domain.calendars import Calendar
from domain.errors import UnknownCalendar
from domain.interval import Interval
from marketdata.documents import instant, seconds

_DAY = 86_400
_PIECE = 1_000  # keys looked up at once, so that years a calendar does not know spoil only their own piece


def spans(calendar: Calendar, interval: Interval, keys: Sequence[int]) -> list[tuple[int, int]]:
    """``[start, end)`` of the bars with these ascending keys; all in epoch seconds.

    Where the calendar knows no such bar (a holiday session, years before its table) the span is the nominal one.
    """
    if calendar.alignment == "utc" and interval.seconds is not None:
        return [(key, key + interval.seconds) for key in keys]
    found: list[tuple[int, int]] = []
    for position in range(0, len(keys), _PIECE):
        piece = keys[position : position + _PIECE]
        known = _known(calendar, interval, piece[0], piece[-1] + 1)
        found += [known.get(key) or nominal(interval, key) for key in piece]
    return found


def nominal(interval: Interval, key: int) -> tuple[int, int]:
    """The span that a bar of this interval has in a market that never closes."""
    if interval.seconds is not None:
        return key, key + interval.seconds
    if interval is Interval.MN1:
        return key, seconds((instant(key).replace(day=1) + timedelta(days=31)).replace(day=1))
    return key, key + (7 * _DAY if interval is Interval.W1 else _DAY)


def _known(calendar: Calendar, interval: Interval, start: int, end: int) -> dict[int, tuple[int, int]]:
    try:
        return {window.key: (window.start, window.end) for window in calendar.windows(interval, start, end)}
    except UnknownCalendar:
        return {}

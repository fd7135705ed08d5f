"""The foreign exchange week: from Sunday 17:00 to Friday 17:00 New York, in trading days of 17:00 to 17:00."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from domain.session_table import Session, SessionTable
from domain.sessions import SessionCalendar
from domain.spans import DAY, date_of, day_number

_FIRST = dt.date(1970, 1, 1)
_END = dt.date(2070, 1, 1)
_NEW_YORK = "America/New_York"


def forex_calendar() -> SessionCalendar:
    """No holidays: the market is thin on them, not closed."""
    first, end = day_number(_FIRST), day_number(_END)
    table = SessionTable(_sessions(first, end), first_day=first, end_day=end)
    return SessionCalendar("forex", table, timezone=_NEW_YORK)


def _sessions(first: int, end: int) -> Iterator[Session]:
    zone = ZoneInfo(_NEW_YORK)
    opened = _five_pm(first - 1, zone)
    for day in range(first, end):
        closed = _five_pm(day, zone)
        if (day + 3) % 7 < 5:
            yield Session(day, opened, closed)
        opened = closed


def _five_pm(day: int, zone: ZoneInfo) -> int:
    date = date_of(day)
    wall = dt.datetime(date.year, date.month, date.day, 17, tzinfo=zone)
    offset = wall.utcoffset() or dt.timedelta()  # it is never None for a zone
    return day * DAY + 17 * 3_600 - offset.days * DAY - offset.seconds

"""Hours that exchange_calendars has wrong or not at all, as corrections of its sessions."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from domain.session_table import Session
from domain.spans import date_of, day_number

_CHICAGO = ZoneInfo("America/Chicago")
_HOUR = 3_600
# Equity futures traded until 16:15 before this trading date; the library knows no daily pause at all.
_CLOSE_AT_FOUR = dt.date(2015, 9, 21)
# The college entrance exam: the exchange opens and closes an hour late. The library's list ends earlier.
_SEOUL_EXAM_DAYS = frozenset(
    day_number(dt.date.fromisoformat(text))
    for text in (
        "2016-11-17",
        "2017-11-23",
        "2018-11-15",
        "2019-11-14",
        "2020-12-03",
        "2021-11-18",
        "2022-11-17",
        "2023-11-16",
        "2024-11-14",
        "2025-11-13",
        "2026-11-19",
    )
)


def seoul_hours(session: Session) -> Session:
    """XKRX: on the exam day 10:00 to 16:30 in place of 09:00 to 15:30."""
    if session.day in _SEOUL_EXAM_DAYS and session.open == session.day * 86_400:  # 09:00 there is 00:00 UTC
        return session._replace(open=session.open + _HOUR, close=session.close + _HOUR)
    return session


def chicago_hours(session: Session) -> Session:
    """CMES: trading pauses from 16:00 to 17:00 Chicago, and stops at 12:00 or 12:15 before and on holidays.

    The library closes at 17:00, when the next session opens, and at 12:00 on every short day. Products differ; these
    are the equity index futures' hours.
    """
    date = date_of(session.day)
    close = dt.datetime.fromtimestamp(session.close, _CHICAGO).time()
    if close == dt.time(17):
        usual = dt.time(16) if date >= _CLOSE_AT_FOUR else dt.time(16, 15)
        close = dt.time(12) if _is_juneteenth(date) else usual
    elif close == dt.time(12) and (date.month == 12 or _is_friday_after_thanksgiving(date)):
        close = dt.time(12, 15)
    return session._replace(close=int(dt.datetime.combine(date, close, _CHICAGO).timestamp()))


def _is_juneteenth(date: dt.date) -> bool:
    """June 19 since 2022, or the weekday next to it on which it is kept."""
    if date.year < 2022 or date.month != 6:
        return False
    holiday = dt.date(date.year, 6, 19)
    kept = holiday + dt.timedelta(days={5: -1, 6: 1}.get(holiday.weekday(), 0))
    return date == kept


def _is_friday_after_thanksgiving(date: dt.date) -> bool:
    return date.month == 11 and date.weekday() == 4

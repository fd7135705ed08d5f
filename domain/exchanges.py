"""What we know about exchanges beyond exchange_calendars, and how its calendars become our session tables.

The library is imported on first use only (0.6 s and 77 MB a process). Our own table comes first where the library
is known to be wrong or silent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from domain.errors import UnknownCalendar
from domain.exchange_rules import chicago_hours, seoul_hours
from domain.session_table import Session, SessionTable
from domain.sessions import SessionCalendar
from domain.spans import day_number

# Most of the library's calendars have no lower bound of their own, and very early dates fall on local mean time,
# whose offsets are no whole minutes. 1990 began with a Monday, so its first week and month are whole.
_START = dt.date(1990, 1, 1)
_END = dt.date(2040, 1, 1)
# Where the library's list of holidays ends, weekdays with the last day's hours are assumed for so long: a market
# must not stop being followed because a list ran out. `SessionCalendar.assumed_from` says where that begins.
_ASSUMED_DAYS = 2 * 366


class Exchange(NamedTuple):
    """Our own knowledge of an exchange. Extended hours are lengths before the open and after the close."""

    start: dt.date = _START
    auction_minutes: int = 0
    pre_minutes: int = 0
    post_minutes: int = 0
    correct: Callable[[Session], Session] | None = None


_EXCHANGES = {
    "CMES": Exchange(correct=chicago_hours),
    # 04:00 to 09:30, and four hours after the close: until 20:00, or 17:00 on a half-day. 1962 began with a Monday.
    "XNYS": Exchange(start=dt.date(1962, 1, 1), pre_minutes=330, post_minutes=240),
    "XASX": Exchange(auction_minutes=12),
    "XHKG": Exchange(auction_minutes=10),
    "XKRX": Exchange(correct=seoul_hours),
    "XLON": Exchange(auction_minutes=10),
    "XTKS": Exchange(auction_minutes=1),
}
# Venues that keep another's hours and that the library does not name.
_SAME_HOURS = {
    "GLBX": "CMES",
    "XCBT": "CMES",
    "XCEC": "CMES",
    "XCME": "CMES",
    "XNYM": "CMES",
    "IEXG": "XNYS",
    "BATY": "XNYS",
    "XNGS": "XNYS",
    "XNCM": "XNYS",
    "XNMS": "XNYS",
}


def exchange_calendar(name: str, *, extended: bool = False) -> SessionCalendar:
    """The calendar of MIC ``name`` (or a name the library takes for one). Raises UnknownCalendar."""
    mic, factory = _found(_SAME_HOURS.get(name, name))
    if factory is None:
        raise UnknownCalendar(f"no calendar {name[:40]!r}: use 24/7, forex, or the exchange's MIC such as XNYS")
    exchange = _EXCHANGES.get(mic, Exchange())
    if extended and not exchange.pre_minutes and not exchange.post_minutes:
        raise UnknownCalendar(f"the extended hours of {mic} are not known")
    try:
        table, timezone = _read(factory, exchange)
    except Exception as error:  # some of the library's calendars raise whatever is asked of them
        raise UnknownCalendar(f"the calendar of {mic} cannot be made: {error!s:.200}") from error
    sundays = sum((day + 3) % 7 == 6 for day in table.days)
    return SessionCalendar(
        f"{mic}/extended" if extended else mic,
        table,
        timezone=timezone,
        auction_seconds=exchange.auction_minutes * 60,
        pre_seconds=exchange.pre_minutes * 60 if extended else 0,
        post_seconds=exchange.post_minutes * 60 if extended else 0,
        # Special sessions on a Sunday (Mumbai's at Diwali) do not make a Sunday exchange.
        week_starts_on_sunday=sundays * 50 > len(table),
    )


def _found(name: str) -> tuple[str, Any]:
    """The MIC that ``name`` stands for, and the library's class of its calendar (None: no such exchange)."""
    from exchange_calendars import calendar_utils

    mic = calendar_utils._default_calendar_aliases.get(name, name)
    is_mic = len(mic) == 4 and mic.isupper() and mic.isalpha()  # its 24/5, 24/7 and us_futures are not exchanges
    return mic, calendar_utils._default_calendar_factories.get(mic) if is_mic else None


def _read(factory: Any, exchange: Exchange) -> tuple[SessionTable, str]:
    """The library's calendar as a table, and the name of its time zone."""
    lower, upper = factory.bound_min(), factory.bound_max()
    start = exchange.start if lower is None else max(exchange.start, lower.date())
    end = _END if upper is None else min(_END, upper.date() + dt.timedelta(days=1))
    calendar = factory(start=start.isoformat(), end=(end - dt.timedelta(days=1)).isoformat())
    sessions = list(_sessions(calendar, exchange.correct))
    known_to = day_number(end)
    assumed_to = min(known_to + _ASSUMED_DAYS, day_number(_END))
    sessions.extend(_assumed(sessions[-10:], ZoneInfo(calendar.tz.key), known_to, assumed_to))
    table = SessionTable(sessions, first_day=day_number(start), end_day=assumed_to, assumed_from=known_to)
    return table, str(calendar.tz.key)


def _sessions(calendar: Any, correct: Callable[[Session], Session] | None) -> Iterator[Session]:
    seconds = 10**9
    columns = [
        (nanos // seconds).tolist()
        for nanos in (
            calendar.opens_nanos,
            calendar.closes_nanos,
            calendar.break_starts_nanos,
            calendar.break_ends_nanos,
        )
    ]
    days = (calendar.sessions_nanos // (86_400 * seconds)).tolist()
    for day, start, end, pause, resume in zip(days, *columns, strict=True):
        has_break = pause > -(2**62) // seconds  # where there is none the library says "not a time", the least integer
        session = Session(day, start, end, pause, resume) if has_break else Session(day, start, end)
        yield correct(session) if correct else session


def _assumed(recent: list[Session], zone: ZoneInfo, first_day: int, end_day: int) -> Iterator[Session]:
    """The weekdays on which ``recent`` sessions were, in ``[first_day, end_day)``, with the longest one's hours."""
    model = max(recent, key=lambda session: session.close - session.open)
    weekdays = {session.day % 7 for session in recent}
    clocks = [dt.datetime.fromtimestamp(moment, zone).replace(tzinfo=None) for moment in model[1:]]
    for day in range(first_day, end_day):
        if day % 7 in weekdays:
            later = dt.timedelta(days=day - model.day)
            yield Session(day, *(int((clock + later).replace(tzinfo=zone).timestamp()) for clock in clocks))

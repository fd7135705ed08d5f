"""The standing schedules: rows of the queue that people see and edit in the admin, made once.

A row that somebody changed stays as it is, one that somebody deleted stays away: what was made is remembered by name.
"""

from __future__ import annotations

import ast
import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple
from zoneinfo import ZoneInfo

import structlog
from django.db import transaction
from django_q.models import Schedule

from domain.calendars import Calendar, get_calendar
from domain.errors import UnknownCalendar
from domain.spans import DAY, date_of
from marketdata.documents import instant, seconds
from marketdata.models import MadeSchedule
from symbols.models import Symbol

SYNC_ALL = "marketdata.scheduled.sync_all"
SYNC_TRADING = "marketdata.scheduled.sync_trading"
SYNC_AFTER_CLOSE = "marketdata.scheduled.sync_after_close"
RECONCILE = "marketdata.scheduled.reconcile"

# What the runs of a schedule are about: the fingerprint by which the turns of one are told from those of another.
ALL, TRADING = "all symbols", "symbols that trade today"

PLANNED = "planned"  # the argument in which a task is told for when it was planned
# A provider closes the last bar, the closing auction's included, a moment after the session.
AFTER_CLOSE = dt.timedelta(minutes=3)
_LONGEST_PAUSE_DAYS = 15  # between two sessions of any exchange

log = structlog.get_logger(__name__)


class Standing(NamedTuple):
    """A schedule as it is made: ``cron`` in UTC, or every ``minutes``, or each day at ``next_run`` to begin with."""

    name: str
    func: str
    cron: str = ""
    minutes: int = 0
    args: str = ""
    next_run: dt.datetime | None = None


_FIXED = (
    # Not on the hour, where the next one has its turn.
    Standing("sync all symbols", SYNC_ALL, cron="30 */6 * * *"),
    Standing("sync symbols that trade today", SYNC_TRADING, cron="0 9-17 * * *"),
    Standing("reconcile closed bars", RECONCILE, minutes=1),
)


def make_schedules(now: dt.datetime) -> list[str]:
    """Make those that were never made, also by other processes at the same moment; their names."""
    known = set(MadeSchedule.objects.values_list("name", flat=True))
    return [standing.name for standing in _wanted(now, known) if _make(standing, now)]


def _wanted(now: dt.datetime, known: set[str]) -> Iterator[Standing]:
    yield from (standing for standing in _FIXED if standing.name not in known)
    for calendar in calendars_in_use():
        name = f"sync after the close of {calendar}"
        if name not in known and (close := next_run_after_close(calendar, now)):
            yield Standing(name, SYNC_AFTER_CLOSE, args=repr(calendar), next_run=close)


def _make(standing: Standing, now: dt.datetime) -> bool:
    row = Schedule(name=standing.name, func=standing.func, args=standing.args or None, repeats=-1)
    row.intended_date_kwarg = PLANNED
    if standing.cron:
        row.schedule_type, row.cron = Schedule.CRON, standing.cron
        row.next_run = row.calculate_next_run(now)
    elif standing.minutes:
        row.schedule_type, row.minutes, row.next_run = Schedule.MINUTES, standing.minutes, now
    else:
        row.schedule_type, row.next_run = Schedule.DAILY, standing.next_run or now
    with transaction.atomic():
        _, is_new = MadeSchedule.objects.get_or_create(name=standing.name)
        if is_new:
            row.save()
            log.info("schedule_made", name=standing.name, next_run=row.next_run.isoformat())
    return is_new


def calendars_in_use() -> list[str]:
    """The calendars that symbols of the registry follow."""
    pairs = Symbol.objects.provided().order_by().values_list("calendar", "exchange__calendar").distinct()
    return sorted({own or venues for own, venues in pairs})


def next_run_after_close(calendar: str, now: dt.datetime) -> dt.datetime | None:
    """When to look at what a market did: shortly after its next close; None if it never closes, or nobody knows when.

    The close of the whole trading day: lunch is none. The feeds of its symbols may lag by contract.
    """
    lag = max((symbol.delay_seconds for symbol in symbols_of(calendar)), default=0)
    try:
        found = get_calendar(calendar)
        later = AFTER_CLOSE + dt.timedelta(seconds=found.auction_seconds + lag)
        close = _next_close(found, seconds(now - later))
    except UnknownCalendar as error:
        log.warning("close_not_known", calendar=calendar, reason=str(error))
        return None
    return None if close is None else instant(close) + later


def _next_close(calendar: Calendar, after: int) -> int | None:
    if calendar.next_close(after) is None:
        return None
    first = date_of(after // DAY) - dt.timedelta(days=1)
    days = calendar.trading_days(first, first + dt.timedelta(days=_LONGEST_PAUSE_DAYS))
    return next((day.segments[-1].end for day in days if day.segments[-1].end > after), None)


def after_close(calendar: str) -> str:
    """As ``ALL``, for the symbols of one calendar."""
    return f"after the close of {calendar}"


def about(schedule: Schedule) -> str:
    """The fingerprint of its runs; empty for what makes no runs of kind ``schedule``."""
    if schedule.func == SYNC_AFTER_CLOSE:
        return after_close(argument(schedule))
    return {SYNC_ALL: ALL, SYNC_TRADING: TRADING}.get(schedule.func, "")


def argument(schedule: Schedule) -> str:
    """The only argument, as the queue keeps it: a literal."""
    try:
        return str(ast.literal_eval(schedule.args))
    except (ValueError, SyntaxError):  # somebody wrote it by hand
        return str(schedule.args)


def move_after_close(calendar: str, now: dt.datetime) -> dt.datetime | None:
    """Plan the next look after this market's close, where the schedule still leaves that to us; when that is."""
    close = next_run_after_close(calendar, now)
    if close is not None:
        rows = Schedule.objects.filter(func=SYNC_AFTER_CLOSE, args=repr(calendar), schedule_type=Schedule.DAILY)
        rows.update(next_run=close)
    return close


def symbols_of(calendar: str) -> list[Symbol]:
    return [symbol for symbol in Symbol.objects.provided() if symbol.calendar_name == calendar]


def is_trading_day(calendar: str, now: dt.datetime) -> bool:
    """Whether the market of this calendar trades on the day that it is there; yes where nobody knows."""
    try:
        found = get_calendar(calendar)
        today = now.astimezone(ZoneInfo(found.timezone)).date()
        return bool(found.trading_days(today, today + dt.timedelta(days=1)))
    except UnknownCalendar:
        return True

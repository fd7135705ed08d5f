"""The newest bar that a series should have by now."""

from __future__ import annotations

import functools

from domain.calendars import get_calendar
from domain.errors import UnknownCalendar
from domain.instrument import Instrument
from domain.interval import Interval
from domain.spans import DAY, Window
from marketdata.ledger_range import GRACE_SECONDS

# Looked at one after the other: few windows in an open market, and yet far enough for the longest holiday or month.
_DAYS_BACK = (1, 5, 20, 100)
_INTERVALS_BACK = 3


def newest_expected(instrument: Instrument, interval: Interval, now: int) -> Window | None:
    """The newest bar that closed by ``now`` (epoch seconds), less the feed's delay and the grace.

    None where the calendar does not reach, or the market has been closed for a season.
    """
    until = now - instrument.delay_seconds - GRACE_SECONDS
    return _newest(instrument.calendar, interval, until // 60)


@functools.lru_cache(maxsize=4_096)
def _newest(calendar_name: str, interval: Interval, minute: int) -> Window | None:
    # Every bar closes on a whole minute.
    until = minute * 60
    calendar = get_calendar(calendar_name)
    short = _INTERVALS_BACK * (interval.seconds or DAY)
    for back in (short, *(days * DAY for days in _DAYS_BACK if days * DAY > short)):
        try:
            closed = [window for window in calendar.windows(interval, until - back, until + 1) if window.end <= until]
        except UnknownCalendar:
            return None
        if closed:
            return closed[-1]
    return None

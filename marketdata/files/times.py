"""Times as files write them, and the bar that each of them names."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from domain.calendars import Calendar
from domain.errors import InvalidRequest, NaiveTime, UnknownCalendar
from domain.interval import Interval
from domain.spans import DAY, Window, day_number, monday_of, month_of
from marketdata.files.layout import TimeIs
from marketdata.files.tables import Instant
from marketdata.spans import nominal

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_COMPACT = re.compile(r"\d{8}")
_NUMBER = re.compile(r"-?\d{9,20}(\.\d+)?")
# An epoch figure tells its unit by its size: seconds of the years 1973 to 5138, and so on.
_UNITS = ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))


class Misplaced(InvalidRequest):
    """A time that names no bar; the message says why."""


class TimeReader:
    """Cells of a time column -> epoch seconds, or dates. ``zone`` is for clocks without one; None: there are none."""

    def __init__(self, zone: tzinfo | None, *, is_local: bool = False) -> None:
        self._zone = zone
        self._is_local = is_local
        self._before: datetime | None = None

    def read(self, cell: Any) -> int | date:
        """Raises NaiveTime for a time of day without a zone, Misplaced for what is no whole second or no time."""
        if isinstance(cell, Instant):
            return _whole(int(cell), 10**9, cell)
        if isinstance(cell, datetime):
            return self._second(cell, cell)
        if isinstance(cell, date):
            return cell
        if isinstance(cell, int):
            return _number(str(cell))
        text = str(cell).strip()
        if _COMPACT.fullmatch(text) or _DATE.fullmatch(text):
            return _date(text)
        if _NUMBER.fullmatch(text):
            return _number(text)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise Misplaced(f"not a time: {text[:40]!r}") from error
        return self._second(moment, text)

    def _second(self, moment: datetime, written: object) -> int:
        if moment.tzinfo is None:
            if self._zone is None:
                raise NaiveTime(f"a time without a zone: {str(written)[:40]!r}; say --time-zone, UTC for example")
            moment = self._placed(moment, self._zone)
        elif self._is_local:
            raise Misplaced(f"a local column with a zone in it: {str(written)[:40]!r}")
        if moment.microsecond:
            raise Misplaced(f"not on a whole second: {str(written)[:40]!r}")
        return int(moment.timestamp())

    def _placed(self, moment: datetime, zone: tzinfo) -> datetime:
        """A clock on a wall shows an hour twice when it is put back: the second time, time has gone on in the file."""
        first = moment.replace(tzinfo=zone)
        if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
            raise Misplaced(f"{moment} never was in {zone}: the clock was put forward over it")
        second = first.replace(fold=1)
        if self._before is not None and first.utcoffset() != second.utcoffset() and _utc(first) <= _utc(self._before):
            first = second
        self._before = first
        return first


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)  # comparing in one zone would ignore `fold`


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Misplaced(f"not a date: {text!r}") from error


def _number(text: str) -> int:
    whole = abs(int(text.partition(".")[0]))
    for below, per_second in _UNITS:
        if whole < below:
            if "." in text and float(text) % 1:
                raise Misplaced(f"not on a whole second: {text[:40]!r}")
            return _whole(int(text.partition(".")[0]), per_second, text)
    raise Misplaced(f"not a time: {text[:40]!r}")


def _whole(number: int, per_second: int, written: object) -> int:
    second, rest = divmod(number, per_second)
    if rest:
        raise Misplaced(f"not on a whole second: {str(written)[:40]!r}")
    return second


class Placer:
    """Finds the bar that a time names. Where the calendar does not reach, bars lie as in a market that never closes;
    ``unknown`` counts them.
    """

    def __init__(self, calendar: Calendar, interval: Interval, time_is: TimeIs) -> None:
        self._calendar, self._interval, self._time_is = calendar, interval, time_is
        self.unknown = 0

    def place(self, moment: int | date) -> Window:
        """The bar; all in epoch seconds. Raises Misplaced."""
        if isinstance(moment, date):
            return self._of_date(moment)
        try:
            return self._of_second(moment)
        except UnknownCalendar:
            self.unknown += 1
            return self._nominal(moment)

    def _of_second(self, second: int) -> Window:
        interval, is_end = self._interval, self._time_is is TimeIs.END
        window = self._calendar.window(interval, second - is_end)
        if window is not None and (window.end == second if is_end else second in (window.start, window.key)):
            return window
        if not interval.is_intraday:
            # A day's key may lie before its first trade, at midnight.
            keyed = next(self._calendar.windows(interval, second, second + 1), None)
            if keyed is not None and not is_end:
                return keyed
        at = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%SZ}"
        if window is None or not window.start <= second - is_end < window.end:
            raise Misplaced(f"{at} is outside the sessions of {self._calendar.name}")
        begins = datetime.fromtimestamp(window.end if is_end else window.start, UTC)
        raise Misplaced(f"{at} is not the {self._time_is} of a {interval} bar, which would be {begins:%H:%MZ}")

    def _of_date(self, day: date) -> Window:
        """The day, or the week or month that holds it: whether ``day`` is its first or its last makes no difference."""
        interval = self._interval
        if interval.is_intraday:
            raise Misplaced(f"{day} names no {interval} bar: a time of day is needed")
        number = day_number(day)
        if interval is Interval.W1:
            number = monday_of(number)
        elif interval is Interval.MN1:
            number = month_of(number)[0]
        key = number * DAY
        try:
            window = next(self._calendar.windows(interval, key, key + 1), None)
        except UnknownCalendar:
            self.unknown += 1
            return Window(*nominal(interval, key), key)
        if window is None:
            raise Misplaced(f"{day} is no trading day of {self._calendar.name}")
        return window

    def _nominal(self, second: int) -> Window:
        interval = self._interval
        length = interval.seconds
        if length is None:
            moment = datetime.fromtimestamp(second, UTC) - timedelta(days=self._time_is is TimeIs.END)
            return self._of_date(moment.date())
        start = second - length if self._time_is is TimeIs.END else second
        if start % 60:
            raise Misplaced(f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%SZ} is not on a whole minute")
        return Window(start, start + length, start)

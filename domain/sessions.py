"""Calendars of markets that open and close: the bars that a table of trading days makes."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from domain.errors import UnknownCalendar
from domain.interval import Interval
from domain.session_table import SessionTable
from domain.spans import DAY, Alignment, Calendar, Segment, TradingDay, Window, date_of, day_number, monday_of, month_of


class _Stretch(NamedTuple):
    """A segment as looked up: its bounds, until when prints belong to it (auction), its kind and its day's row."""

    start: int
    end: int
    reach: int
    kind: str
    row: int


_NOWHERE = _Stretch(0, 0, 0, "", -1)


class SessionCalendar(Calendar):
    """A market with sessions. Extended hours add a segment before and one after the regular ones, see ``kind``."""

    alignment: Alignment = "session"

    def __init__(
        self,
        name: str,
        table: SessionTable,
        *,
        timezone: str,
        auction_seconds: int = 0,
        pre_seconds: int = 0,
        post_seconds: int = 0,
        week_starts_on_sunday: bool = False,
    ) -> None:
        self.name, self.timezone, self.auction_seconds = name, timezone, auction_seconds
        self._table = table
        self._pre, self._post = pre_seconds, post_seconds
        self._reach = max(post_seconds, auction_seconds)
        self._shift = 1 if week_starts_on_sunday else 0  # a Sunday then belongs to the Monday after it
        self._recent = _NOWHERE
        self._long: dict[tuple[Interval, int], Window] = {}
        self._known_from, self._known_to = table.first_day * DAY, table.end_day * DAY

    @property
    def known(self) -> tuple[dt.date, dt.date]:
        return date_of(self._table.first_day), date_of(self._table.end_day)

    @property
    def assumed_from(self) -> dt.date | None:
        table = self._table
        return date_of(table.assumed_from) if table.assumed_from < table.end_day else None

    def window(self, interval: Interval, at: int) -> Window | None:
        stretch = self._recent
        if not stretch.start <= at < stretch.reach:
            found = self._stretch_at(at)
            if found is None:
                return None
            self._recent = stretch = found
        seconds = interval.seconds
        if seconds is None:
            return self._long_window(interval, stretch.row) if stretch.kind == "regular" else None
        if at >= stretch.end:
            at = stretch.end - 1
        start = at - (at - stretch.start) % seconds
        end = start + seconds
        return Window(start, end if end < stretch.end else stretch.end, start)

    def windows(self, interval: Interval, start: int, end: int) -> Iterator[Window]:
        if start >= end:
            return
        self._require(start)
        self._require(end - 1)
        if interval.seconds is None:
            yield from self._long_windows(interval, start, end)
            return
        table = self._table
        row = bisect_right(table.closes, start - self._reach)
        while row < len(table) and table.opens[row] - self._pre < end:
            for segment in self._segments(row):
                yield from _cut(segment, interval.seconds, start, end)
            row += 1

    def trading_days(self, start: dt.date, end: dt.date) -> list[TradingDay]:
        first, stop = day_number(start), day_number(end)
        if first >= stop:
            return []
        if first < self._table.first_day or stop > self._table.end_day:
            raise self._unknown(f"between {start} and {end}")
        days = self._table.days
        return [self._trading_day(row) for row in range(bisect_left(days, first), bisect_left(days, stop))]

    def trading_day_at(self, at: int) -> TradingDay | None:
        stretch = self._stretch_at(at)
        return self._trading_day(stretch.row) if stretch is not None and at < stretch.end else None

    def is_open(self, at: int) -> bool:
        stretch = self._stretch_at(at)
        return stretch is not None and at < stretch.end

    def next_open(self, at: int) -> int | None:
        ended = None
        for segment in self._segments_from(at):
            if segment.start > at and segment.start != ended:
                return segment.start
            ended = segment.end
        raise self._unknown("later")

    def next_close(self, at: int) -> int | None:
        ended = None
        for segment in self._segments_from(at):
            if ended is not None and segment.start != ended:
                return ended
            ended = segment.end
        raise self._unknown("later")

    def _unknown(self, when: str) -> UnknownCalendar:
        first, end = self.known
        return UnknownCalendar(f"calendar {self.name} knows {first} up to {end}, and nothing {when}")

    def _require(self, at: int) -> None:
        # A trading day may begin the evening before its date, so the first known one starts before known_from.
        if not self._known_from - DAY <= at < self._known_to:
            raise self._unknown(f"about {dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d %H:%M}Z")

    def _stretch_at(self, at: int) -> _Stretch | None:
        self._require(at)
        table = self._table
        row = bisect_right(table.opens, at + self._pre) - 1
        if row < 0:
            return None
        *rest, last = self._segments(row)
        for segment in rest:
            if segment.start <= at < segment.end:
                return _Stretch(segment.start, segment.end, segment.end, segment.kind, row)
        reach = last.end
        if last.kind == "regular" and self.auction_seconds:
            following = table.opens[row + 1] if row + 1 < len(table) else self._known_to
            reach = min(reach + self.auction_seconds, following)
        return _Stretch(last.start, last.end, reach, last.kind, row) if last.start <= at < reach else None

    def _segments(self, row: int) -> tuple[Segment, ...]:
        table = self._table
        start, end = table.opens[row], table.closes[row]
        pause, resume = table.break_starts[row], table.break_ends[row]
        if pause == resume:
            regular: tuple[Segment, ...] = (Segment(start, end, "regular"),)
        else:
            regular = (Segment(start, pause, "regular"), Segment(resume, end, "regular"))
        if not self._reach:
            return regular
        before = (Segment(start - self._pre, start, "pre"),) if self._pre else ()
        after = (Segment(end, end + self._post, "post"),) if self._post else ()
        return before + regular + after

    def _segments_from(self, at: int) -> Iterator[Segment]:
        """Segments in order from the one that holds ``at``, or else the next one."""
        self._require(at)
        for row in range(bisect_right(self._table.closes, at - self._post), len(self._table)):
            for segment in self._segments(row):
                if segment.end > at:
                    yield segment

    def _trading_day(self, row: int) -> TradingDay:
        return TradingDay(date_of(self._table.days[row]), self._segments(row))

    def _long_window(self, interval: Interval, row: int) -> Window:
        table = self._table
        if interval is Interval.D1:
            return Window(table.opens[row], table.closes[row], table.days[row] * DAY)
        window = self._long.get((interval, row))
        if window is None:
            key, first, stop = self._period(interval, table.days[row])
            if first < table.first_day or stop > table.end_day:
                raise self._unknown(f"about all of the {interval} that holds {date_of(table.days[row])}")
            rows = bisect_left(table.days, first), bisect_left(table.days, stop)
            window = Window(table.opens[rows[0]], table.closes[rows[1] - 1], key * DAY)
            self._long.update(((interval, inside), window) for inside in range(*rows))
        return window

    def _period(self, interval: Interval, day: int) -> tuple[int, int, int]:
        """Key, first day and end day of the day, week or month that holds ``day``."""
        if interval is Interval.D1:
            return day, day, day + 1
        if interval is Interval.W1:
            monday = monday_of(day + self._shift)
            return monday, monday - self._shift, monday - self._shift + 7
        first, stop = month_of(day)
        return first, first, stop

    def _long_windows(self, interval: Interval, start: int, end: int) -> Iterator[Window]:
        days = self._table.days
        row = bisect_left(days, start // DAY - self._shift)
        while row < len(days):
            key, _, stop = self._period(interval, days[row])
            if key * DAY >= end:
                return
            if key * DAY >= start:
                yield self._long_window(interval, row)
            row = bisect_left(days, stop, row)


def _cut(segment: Segment, seconds: int, start: int, end: int) -> Iterator[Window]:
    """The grid of one segment, only keys in ``[start, end)``; the last window is cut at the segment's end."""
    skipped = max(0, -(-(start - segment.start) // seconds))
    starts = range(segment.start + skipped * seconds, min(segment.end, end), seconds)
    whole = range(starts.start, min(segment.end - seconds + 1, end), seconds)
    yield from map(Window, whole, range(starts.start + seconds, segment.end + 1, seconds), whole)
    if len(whole) < len(starts):
        yield Window(starts[-1], segment.end, starts[-1])

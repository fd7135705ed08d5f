"""When a calendar's market trades, as arrays: the days of the demo market in order."""

from __future__ import annotations

import bisect
import threading
from datetime import date, timedelta

import numpy as np

from domain.calendars import TradingDay, get_calendar
from providers.demo.randomness import Ints

FIRST_PRICED = date(2010, 1, 1)
_FIRST_KNOWN = date(2009, 12, 28)  # the Monday of the week that holds the first priced day: its span starts here
_AHEAD = timedelta(days=45)  # the span of a running month ends with sessions to come
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_DAY = 86_400


class Timetable:
    """Trading days of one calendar since 2010, extended as time goes on; shared by its listings and by threads."""

    def __init__(self, calendar: str) -> None:
        self._calendar = get_calendar(calendar)
        self._lock = threading.Lock()
        self._known_until = _FIRST_KNOWN
        self.days: list[TradingDay] = []
        self.opens: list[int] = []  # epoch s of each day's first open
        self.closes: list[int] = []
        self.keys: list[int] = []  # trading date at 00:00 UTC, epoch s
        self.minutes: list[int] = []  # how many a day is open

    def ensure(self, at: int) -> None:
        """Know the days until 45 days after ``at`` (epoch s)."""
        wanted = date.fromordinal(_EPOCH_ORDINAL + at // _DAY) + _AHEAD
        if self._known_until >= wanted:
            return
        with self._lock:
            until = wanted + _AHEAD
            for day in self._calendar.trading_days(self._known_until, until):
                self.days.append(day)
                self.closes.append(day.segments[-1].end)
                self.keys.append((day.date.toordinal() - _EPOCH_ORDINAL) * _DAY)
                self.minutes.append(sum(segment.end - segment.start for segment in day.segments) // 60)
                # Last, because others look days up by their open without the lock.
                self.opens.append(day.segments[0].start)
            self._known_until = max(until, self._known_until)

    @property
    def first_priced(self) -> int:
        """Index of the first day that has a price."""
        return bisect.bisect_left(self.keys, (FIRST_PRICED.toordinal() - _EPOCH_ORDINAL) * _DAY)

    def index_at(self, at: int) -> int:
        """Index of the newest day that has opened at ``at``; -1 if none has. Calls `ensure`."""
        self.ensure(at)
        return bisect.bisect_right(self.opens, at) - 1

    def ordinal(self, index: int) -> int:
        return self.days[index].date.toordinal()

    def is_open(self, at: int) -> bool:
        index = self.index_at(at)
        return index >= 0 and any(segment.start <= at < segment.end for segment in self.days[index].segments)

    def minute_places(self, index: int) -> Ints:
        """Minutes of a day: columns start, start of their segment, end of their segment."""
        parts = []
        for segment in self.days[index].segments:
            places = np.empty(((segment.end - segment.start) // 60, 3), dtype=np.int64)
            places[:, 0] = np.arange(segment.start, segment.end, 60)
            places[:, 1:] = segment.start, segment.end
            parts.append(places)
        return np.concatenate(parts)

"""Where bars lie in time: the vocabulary that every calendar speaks. Whole epoch seconds, UTC, ends excluded."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal, NamedTuple

from domain.interval import Interval

DAY = 86_400
_EPOCH = dt.date(1970, 1, 1).toordinal()

Alignment = Literal["utc", "session"]


class Window(NamedTuple):
    """One bar's place in time: it holds the trades of ``[start, end)`` and is named by ``key`` (its open_time)."""

    start: int
    end: int
    key: int


class Segment(NamedTuple):
    """A stretch ``[start, end)`` of uninterrupted trading; ``kind`` is ``pre``, ``regular`` or ``post``."""

    start: int
    end: int
    kind: str


class TradingDay(NamedTuple):
    """A trading date and when it trades. The segments may begin the evening before the date."""

    date: dt.date
    segments: tuple[Segment, ...]


class Calendar(ABC):
    """When a market trades, and therefore where its bars lie.

    ``alignment`` ``utc``: bars start at whole multiples since 00:00 UTC. ``session``: intraday bars start at each
    segment's open and are cut at its end; days, weeks and months are keyed by trading date at 00:00 UTC.
    ``timezone`` is where the market's clock hangs. ``auction_seconds``: prints so long after the day's close are
    the closing auction's and belong to the session's last minute.
    """

    name: str
    alignment: Alignment
    timezone: str
    auction_seconds: int = 0

    @property
    def known(self) -> tuple[dt.date, dt.date] | None:
        """Trading dates that the calendar speaks about, end excluded; None: all."""
        return None

    @property
    def assumed_from(self) -> dt.date | None:
        """From this date on sessions are only the usual weekdays and hours: the holidays are not known yet."""
        return None

    @abstractmethod
    def window(self, interval: Interval, at: int) -> Window | None:
        """The bar that second ``at`` belongs to; None outside every segment.

        In the closing auction that is the day's last bar, so there ``at`` may be past the window's end. Before
        and after the regular session there are no days, weeks and months. Raises UnknownCalendar where the
        calendar does not reach.
        """

    @abstractmethod
    def windows(self, interval: Interval, start: int, end: int) -> Iterator[Window]:
        """The bars to expect whose key is in ``[start, end)``, ascending. Raises UnknownCalendar like ``window``."""

    @abstractmethod
    def trading_days(self, start: dt.date, end: dt.date) -> list[TradingDay]:
        """Trading days with dates in ``[start, end)``. Raises UnknownCalendar where the calendar does not reach."""

    @abstractmethod
    def trading_day_at(self, at: int) -> TradingDay | None:
        """The day one of whose segments holds ``at``, None between segments."""

    @abstractmethod
    def is_open(self, at: int) -> bool:
        """Whether ``at`` lies inside a segment; the closing auction does not count."""

    @abstractmethod
    def next_open(self, at: int) -> int | None:
        """When trading next begins after ``at``; None where it never stops."""

    @abstractmethod
    def next_close(self, at: int) -> int | None:
        """When the present, or else the next, stretch of trading ends; None where it never stops."""

    def __repr__(self) -> str:
        return f"<Calendar {self.name}>"


def day_number(date: dt.date) -> int:
    """Days since 1970-01-01."""
    return date.toordinal() - _EPOCH


def date_of(day: int) -> dt.date:
    """The date ``day`` days after 1970-01-01."""
    return dt.date.fromordinal(day + _EPOCH)


def monday_of(day: int) -> int:
    """The Monday of the ISO week that holds ``day``, both in days since 1970-01-01 (a Thursday)."""
    return day - (day + 3) % 7


def month_of(day: int) -> tuple[int, int]:
    """First day of the month that holds ``day`` and of the month after it, in days since 1970-01-01."""
    date = date_of(day)
    first = date.replace(day=1)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return day_number(first), day_number(following)

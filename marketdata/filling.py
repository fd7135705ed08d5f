"""Rows made up for bars that are expected and not there, for those who ask for them by name. Each is flagged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from domain.calendars import get_calendar
from domain.errors import UnknownCalendar
from domain.interval import Interval
from domain.spans import DAY, Calendar, day_number
from marketdata.documents import Row

_PIECE = 1_000  # nominal lengths that are looked through at once when reading backwards


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """How the holes of one series in ``[start, end)`` are filled; all in epoch seconds.

    ``how``: ``zero`` makes all five values 0; ``ffill`` repeats the close before and makes the volume 0, so before the
    first bar it makes nothing. Only bars that closed by ``until`` are made up, and where the calendar does not reach
    nothing is. ``is_open``: the question has no start, so nothing is made up before the first bar that is stored;
    ``start`` is then where a page begins, or None. ``close_before(key)``: the close of the newest stored bar before.
    """

    how: str
    calendar: str
    interval: Interval
    start: int | None
    end: int
    until: int
    is_open: bool
    close_before: Callable[[int], float | None]

    def fill(self, rows: Iterable[Row], most: int | None, *, newest_first: bool) -> Iterator[tuple[Row, bool]]:
        """``rows`` in their order with made-up ones between; the flag tells which. ``most``: so many ``rows`` at most
        were asked for, and behind the last of them nothing is known.
        """
        return self._downwards(rows, most) if newest_first else self._upwards(rows, most)

    def _upwards(self, rows: Iterable[Row], most: int | None) -> Iterator[tuple[Row, bool]]:
        keys = None if self.start is None else self._keys(self.start, self.end)
        key = None if keys is None else next(keys, None)
        before: Row | None = None
        count = 0
        for count, row in enumerate(rows, start=1):  # noqa: B007 - counted for after the loop
            leads_nowhere = before is None and key is not None and key < row.open_time and not self._leads
            if keys is None or leads_nowhere:
                keys = self._keys(row.open_time, self.end)
                key = next(keys, None)
            while key is not None and key < row.open_time:
                yield from self._made_up(key, before)
                key = next(keys, None)
            if key == row.open_time:
                key = next(keys, None)
            yield row, False
            before = row
        if count == most or (before is None and not self._leads):
            return
        while key is not None and keys is not None:
            yield from self._made_up(key, before)
            key = next(keys, None)

    def _downwards(self, rows: Iterable[Row], most: int | None) -> Iterator[tuple[Row, bool]]:
        upper, count = self.end, 0
        for count, row in enumerate(rows, start=1):  # noqa: B007 - counted for after the loop
            for key in self._keys_down(row.open_time + 1, upper):
                yield from self._made_up(key, row)
            yield row, False
            upper = row.open_time
        if self.start is not None and count != most and self._leads:
            for key in self._keys_down(self.start, upper):
                yield from self._made_up(key, None)

    def _made_up(self, key: int, before: Row | None) -> Iterator[tuple[Row, bool]]:
        """The row at ``key``, behind the stored bar ``before``; None: behind what was stored before the start."""
        close: float | None = 0.0
        if self.how != "zero":
            close = self._close_before_start if before is None else before.close
        if close is not None:
            yield Row(key, close, close, close, close, 0.0), True

    @property
    def _leads(self) -> bool:
        """Whether anything is made up between the start and the first stored bar behind it. Where nothing is, the keys
        between them, which may be two thousand years of minutes, need no look.
        """
        is_zero = self.how == "zero" and not self.is_open
        return self.start is not None and (is_zero or self._close_before_start is not None)

    @property
    def _close_before_start(self) -> float | None:
        return None if self.start is None else self.close_before(self.start)

    def _keys(self, start: int, end: int) -> Iterator[int]:
        """Keys in ``[start, end)`` of the bars that closed by ``until``, ascending."""
        calendar = get_calendar(self.calendar)
        start, end = _within(calendar, start, end)
        try:
            for _, closes, key in calendar.windows(self.interval, start, end):
                if closes <= self.until:
                    yield key
        except UnknownCalendar:
            return

    def _keys_down(self, start: int, end: int) -> Iterator[int]:
        """The same, descending."""
        start, end = _within(get_calendar(self.calendar), start, end)
        step = _PIECE * (self.interval.seconds or DAY)
        while end > start:
            lower = max(start, end - step)
            yield from reversed(list(self._keys(lower, end)))
            end = lower


def _within(calendar: Calendar, start: int, end: int) -> tuple[int, int]:
    """The part of ``[start, end)`` that the calendar speaks about."""
    if calendar.known is None:
        return start, end
    first, last = calendar.known
    return max(start, day_number(first) * DAY), min(end, day_number(last) * DAY)

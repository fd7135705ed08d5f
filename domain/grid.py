"""Grid: the windows of one calendar as the fold needs them: linked child to parent, with bounds as tick keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from domain.calendars import Calendar, Window
from domain.errors import UnknownCalendar
from domain.interval import Interval
from domain.tick import SEQ_BITS

MINUTE_NS = 60 * 10**9
MINUTE_LEVEL = 0
LEVELS = tuple(Interval)  # a frame's `level` indexes this; children stand before their parents
LEVEL_COUNT = len(LEVELS)
CHILD_LEVEL = tuple(-1 if child is None else LEVELS.index(child) for child in (one.child for one in LEVELS))
# What has no parents itself comes first: then `Frame.ending` is in the order of closing.
_PARENT_LEVELS = tuple(
    tuple(sorted((up for up in range(LEVEL_COUNT) if CHILD_LEVEL[up] == level), key=CHILD_LEVEL.__contains__))
    for level in range(LEVEL_COUNT)
)
_DAY_LEVEL = LEVELS.index(Interval.D1)
_DAY = 86_400
# Of the lengths that intraday windows have: a sum costs a third of a conversion.
_LENGTHS = {one.seconds: timedelta(seconds=one.seconds) for one in LEVELS if one.seconds is not None}
_CACHED_MINUTES = 4_096
_AHEAD = 60


_SECOND_KEY = 10**9 << SEQ_BITS


def second_key(second: int) -> int:
    """The least tick key at epoch second ``second``."""
    return second * _SECOND_KEY


class Frame:
    """One window of a grid, made once and shared by every symbol under the calendar.

    ``[start, end)`` in epoch seconds and ``[start_key, end_key)`` in tick keys, so that placing a tick is a
    comparison of two integers. ``ready_key`` is where lateness counts from: the end, or the closing auction's where
    its prints are merged into this window. ``parents`` are the windows that a closed bar of this one is merged
    into; following them costs a loop over two pointers where asking the calendar would cost twelve calls a minute.
    ``ending`` are the levels of all windows above that end where this one does, children first. The three instants
    are made here, once, and not for every bar.
    """

    __slots__ = (
        "close_time",
        "end",
        "end_key",
        "ending",
        "interval",
        "level",
        "open_time",
        "parents",
        "ready_key",
        "start",
        "start_key",
        "starts_at",
    )

    end_key: int
    close_time: datetime
    ending: tuple[int, ...]

    def __init__(self, level: int, window: Window, parents: tuple[Frame, ...], before: Frame | None) -> None:
        """``before`` is a window of the same level; if it ends where this one starts, they share that instant."""
        start, end, key = window
        self.level = level
        self.interval = LEVELS[level]
        self.start = start
        self.end = end
        if before is not None and before.end == start:
            self.start_key = before.end_key
            self.starts_at = before.close_time
        else:
            self.start_key = second_key(start)
            self.starts_at = datetime.fromtimestamp(start, UTC)
        self.end_key = self.ready_key = end * _SECOND_KEY
        length = _LENGTHS.get(end - start)
        self.close_time = datetime.fromtimestamp(end, UTC) if length is None else self.starts_at + length
        self.open_time = self.starts_at if key == start else datetime.fromtimestamp(key, UTC)
        self.parents = parents
        self.ending = ()
        for parent in parents:
            if parent.end == end:
                self.ending += (parent.level, *parent.ending)

    def ancestor(self, level: int) -> Frame | None:
        """The window of ``level`` that this one is merged into; itself at its own level."""
        if self.level == level:
            return self
        for parent in self.parents:
            found = parent.ancestor(level) if parent.level <= level else None
            if found is not None:
                return found
        return None


NOWHERE = Frame(MINUTE_LEVEL, Window(-1, -1, -1), (), None)


class Grid:
    """Frames of one calendar. Asks it once a window: five hundred symbols in the same minute share the answer.

    ``current`` is the minute that was asked for last.
    """

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self.current = NOWHERE
        self._has_auctions = calendar.auction_seconds > 0
        self._minutes: dict[int, Frame | None] = {}
        self._recent: list[Frame | None] = [None] * LEVEL_COUNT

    def minute_of(self, key: int) -> Frame | None:
        """The minute that the tick ``key`` belongs to; look at ``current`` before."""
        frame = self.minute((key >> SEQ_BITS) // MINUTE_NS)
        if frame is not None:
            self.current = frame
        return frame

    def minute(self, number: int) -> Frame | None:
        """The minute that holds minute ``number`` since 1970, None outside every segment.

        In the closing auction that is the day's last minute. Where the calendar does not reach there are no bars.
        """
        known = self._minutes.get(number, NOWHERE)
        if known is not NOWHERE:
            return known
        if len(self._minutes) >= _CACHED_MINUTES:
            self._minutes.clear()  # frames in use live on in the accumulators
        if self._minutes.get(number - 1) is not None:
            self._look_ahead(number)
        else:
            self._minutes[number] = self.frame(MINUTE_LEVEL, number * 60)
        return self._minutes[number]

    def _look_ahead(self, number: int) -> None:
        """Minutes come one after the other, and cost half as much when several are made at a time."""
        try:
            minutes, make = self._minutes, self._frame
            for window in self.calendar.windows(Interval.M1, number * 60, (number + _AHEAD) * 60):
                minutes[window[0] // 60] = make(MINUTE_LEVEL, window)
        except UnknownCalendar:
            pass  # the end of what the calendar knows is near: one at a time
        if number not in self._minutes:  # a closing auction, or outside every segment
            self._minutes[number] = self.frame(MINUTE_LEVEL, number * 60)

    def frame(self, level: int, at: int) -> Frame | None:
        """The window of ``level`` that epoch second ``at`` belongs to. Above minutes ``at`` is inside a segment."""
        recent = self._recent[level]
        if recent is not None and recent.start <= at < recent.end:
            return recent
        try:
            window = self.calendar.window(LEVELS[level], at)
        except UnknownCalendar:
            return None
        return None if window is None else self._frame(level, window)

    def running(self, level: int, at: int) -> Frame | None:
        """The window of ``level`` whose span holds ``at``: a day goes on in its lunch break, a week at night."""
        frame = self.frame(level, at)
        if frame is not None:
            return frame if at < frame.end else None
        if level < _DAY_LEVEL:
            return None
        try:
            for window in self.calendar.windows(LEVELS[level], at - 45 * _DAY, at + 8 * _DAY):
                if window.start <= at < window.end:
                    return self._frame(level, window)
        except UnknownCalendar:
            return None
        return None

    def is_traded(self, start: int, end: int) -> bool:
        """Whether any minute of ``[start, end)`` lies in a segment."""
        if start >= end:
            return False
        minutes: Iterator[Window] = self.calendar.windows(Interval.M1, start, end)
        return next(minutes, None) is not None

    def _frame(self, level: int, window: Window) -> Frame:
        start = window[0]
        recent = self._recent
        parents: tuple[Frame, ...] = ()
        for up in _PARENT_LEVELS[level]:
            parent = recent[up]
            if parent is None or not parent.start <= start < parent.end:
                parent = self.frame(up, start)
            if parent is not None:
                parents += (parent,)
        frame = Frame(level, window, parents, recent[level])
        if self._has_auctions:
            self._await_auction(frame)
        recent[level] = frame
        return frame

    def _await_auction(self, frame: Frame) -> None:
        """Where the closing auction begins as the window ends, its prints are in time until it is over."""
        after = self.calendar.window(Interval.M1, frame.end)
        if after is not None and after.end == frame.end:
            frame.ready_key = second_key(frame.end + self.calendar.auction_seconds)

"""Seeding: closed bars of the history take the place of what the fold has not heard.

The state after seeding is a function of the history up to ``through`` and of the own closed minutes from there on:
the closed part of every running window is built anew from both, so it does not matter how often it is done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

from domain.accumulator import UNKNOWN_TRADES, Accumulator
from domain.bar import Bar
from domain.bar_events import BarEvent, BarEventKind
from domain.cascade import Cascade
from domain.grid import CHILD_LEVEL, LEVEL_COUNT, LEVELS, MINUTE_LEVEL, Frame, Grid, second_key
from domain.interval import Interval

_LEVEL_OF = {interval: level for level, interval in enumerate(LEVELS)}
_H4, _D1 = _LEVEL_OF[Interval.H4], _LEVEL_OF[Interval.D1]


class HistoryRange(NamedTuple):
    """Bars of ``interval`` whose key (``open_time``) is in ``[start, end)``, epoch seconds."""

    interval: Interval
    start: int
    end: int


class _Piece(NamedTuple):
    """A bar of the history: its span in epoch seconds, and what it holds."""

    start: int
    end: int
    level: int
    bar: Bar


def wanted_history(grid: Grid, through: int) -> list[HistoryRange]:
    """The bars that complete every window running at ``through``; the longest wherever they are closed."""
    running = [grid.running(level, through) for level in range(LEVEL_COUNT)]
    day = running[_D1]
    four_hours = running[_H4]
    minutes_from = min((one.start for one in running[1:_D1] if one is not None), default=through)
    wanted = [HistoryRange(Interval.M1, minutes_from, through)]
    hours_end = through if four_hours is None else four_hours.start
    if day is not None and day.start < hours_end:
        wanted.append(HistoryRange(Interval.H4, day.start, hours_end))
    months = [one for one in running[_D1 + 1 :] if one is not None]
    if months:
        # Days are asked for by key, which for some markets lies outside the day's span.
        first = min(int(one.open_time.timestamp()) for one in months)
        end = through if day is None else int(day.open_time.timestamp())
        if first < end:
            wanted.append(HistoryRange(Interval.D1, first, end))
    return wanted


def seed(cascade: Cascade, bars: Iterable[Bar], *, through: int, since: int | None) -> None:
    """See ``Aggregator.seed``."""
    if cascade.minutes is None:
        return  # all has been heard
    through -= through % 60
    cascade.close_due(second_key(through))  # what the history has, has ended
    pieces = [one for one in map(_piece, bars) if one.end <= through]
    through = _whole_until(cascade, pieces, through)
    through_key = second_key(through)
    if through_key < cascade.dropped_key:
        return  # minutes that would have to be merged on top are gone
    if any(one.frame.start_key < through_key <= one.last for one in cascade.minutes):
        return  # prints of a closing auction later than this history: the next one will have them
    own = sorted((one for one in cascade.minutes if one.frame.start_key >= through_key), key=attrgetter("first"))
    is_heard = not cascade.fresh and cascade.known_key <= through_key
    shadow = _shadow(cascade)
    shadow.open = _History(cascade, pieces, through, since).open_windows(is_partial=not is_heard)
    for minute in own:
        shadow.close_levels(minute.frame.start_key)
        shadow.merge_up(minute)
    shadow.close_levels(cascade.closed_key)
    if is_heard:
        _amend_closed(cascade, shadow)
    cascade.open = shadow.open
    cascade.seeded_key = through_key
    is_whole = is_heard and not cascade.minute.partial and not any(one and one.partial for one in cascade.open)
    cascade.minutes = None if is_whole else deque(own)


def _whole_until(cascade: Cascade, pieces: list[_Piece], through: int) -> int:
    """``through``, or the start of a minute that we heard and that the history does not have yet."""
    ended = max((one.end for one in pieces), default=0)
    behind = [one.frame for one in cascade.minutes or () if ended <= one.frame.start < through]
    if not behind:
        return through
    running = [cascade.grid.running(level, through) for level in range(LEVEL_COUNT)]
    starts = [
        frame.start
        for frame in behind
        if any(above and (own := frame.ancestor(above.level)) and own.start == above.start for above in running)
    ]
    return min([through, *starts])


def _shadow(cascade: Cascade) -> Cascade:
    """An empty cascade beside ``cascade`` whose events nobody sees."""
    return Cascade(cascade.instrument, cascade.grid, cascade.clock, 0, [], {})


def _amend_closed(cascade: Cascade, shadow: Cascade) -> None:
    """Windows that closed since ``through`` were emitted without the history; unsettled ones are amended."""
    for better in shadow.pending:
        closed = cascade.find_pending(better.frame)
        if closed is None or closed.same_values(better):
            continue
        better_bar = cascade.bar_of(better)
        cascade.pending[cascade.pending.index(closed)] = better
        cascade.events.append(BarEvent(BarEventKind.AMENDED, better_bar))


class _History:
    """Closed bars up to ``through``, and the closed parts of the running windows that follow from them."""

    def __init__(self, cascade: Cascade, pieces: list[_Piece], through: int, since: int | None) -> None:
        self._cascade = cascade
        self._grid = cascade.grid
        self._through = through
        self._since = since
        # At each start the longest first; what it covers, shorter ones do not add to.
        self._pieces = sorted(pieces, key=lambda piece: (piece.start, -piece.level))

    def open_windows(self, *, is_partial: bool) -> list[Accumulator | None]:
        """At each level the closed children of the window that runs at ``through``, empty ones included.

        ``is_partial``: our own minutes do not begin where the history ends, so all of them have a hole.
        """
        open_: list[Accumulator | None] = [None] * LEVEL_COUNT
        running = [self._grid.running(level, self._through) for level in range(LEVEL_COUNT)]
        for level in range(MINUTE_LEVEL + 1, LEVEL_COUNT):
            frame = running[level]
            if frame is None:
                continue
            child, inside = running[CHILD_LEVEL[level]], open_[CHILD_LEVEL[level]]
            end = self._through if child is None else min(child.start, self._through)
            part = self._closed_part(frame, end)
            part.partial |= is_partial or not self._reaches(frame.start, end) or (inside is not None and inside.partial)
            open_[level] = part
        return open_

    def _closed_part(self, frame: Frame, end: int) -> Accumulator:
        """The bars of ``[frame.start, end)`` as one."""
        total = Accumulator.empty(frame)
        position = frame.start
        for piece in self._pieces:
            if piece.start >= position and piece.end <= end and self._belongs(piece, frame):
                position = piece.end
                total.merge(_accumulator(frame, piece, self._cascade.lots_per_unit))
        return total

    def _belongs(self, piece: _Piece, frame: Frame) -> bool:
        """Whether the bar is a part of ``frame``, in whose span it lies: before the regular session it is of no day."""
        minute = self._grid.minute(piece.start // 60)
        return piece.level < frame.level and minute is not None and minute.ancestor(frame.level) is not None

    def _reaches(self, start: int, end: int) -> bool:
        """Whether the history is known to be whole in ``[start, end)``.

        Each interval's bars are taken as whole from the first given to the last, the minutes up to ``through``:
        a minute without a bar among them had no trade.
        """
        if self._since is not None:
            return self._since <= start
        position = start
        for first, last in self._reach():
            if position < first and self._grid.is_traded(position, min(first, end)):
                return False
            position = max(position, last)
        return not self._grid.is_traded(position, end)

    def _reach(self) -> list[tuple[int, int]]:
        """From where to where the bars of each interval reach, the earliest first."""
        reach: dict[int, tuple[int, int]] = {}
        for piece in self._pieces:
            first, last = reach.get(piece.level, (piece.start, piece.end))
            reach[piece.level] = (min(first, piece.start), max(last, piece.end))
        if MINUTE_LEVEL in reach:
            reach[MINUTE_LEVEL] = (reach[MINUTE_LEVEL][0], self._through)
        return sorted(reach.values())


def _piece(bar: Bar) -> _Piece:
    return _Piece(int(bar.starts_at.timestamp()), int(bar.close_time.timestamp()), _LEVEL_OF[bar.interval], bar)


def _accumulator(frame: Frame, piece: _Piece, lots_per_unit: int) -> Accumulator:
    """The bar as the ticks of its span: its first and last keys are the span's bounds."""
    bar = piece.bar
    first, last = second_key(piece.start), second_key(piece.end) - 1
    trades = UNKNOWN_TRADES if bar.trades is None else bar.trades
    lots = round(bar.volume * lots_per_unit)
    return Accumulator(frame, first, last, bar.open, bar.high, bar.low, bar.close, lots, trades, bar.partial)

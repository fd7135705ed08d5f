"""Cascade: the bars of one symbol, from its forming minute up to its month."""

from __future__ import annotations

from collections import deque

from domain import late
from domain.accumulator import Accumulator
from domain.bar import Bar, BarState
from domain.bar_events import BarEvent, BarEventKind, FoldCounts
from domain.feed_clock import NO_LIMIT, FeedClock
from domain.grid import LEVEL_COUNT, LEVELS, NOWHERE, Frame, Grid
from domain.instrument import Instrument
from domain.interval import Interval
from domain.tick import SEQ_BITS

_CLOSED, _, _SETTLED = BarEventKind
_PROVISIONAL = BarState.PROVISIONAL
_new_tuple = tuple.__new__  # what BarEvent(...) does, without a call in between
_JUMP = 3_600 * 10**9 << SEQ_BITS
_KEPT_MINUTES = 300  # five hours: longer than history takes to arrive, and 50 KB a symbol
_NEVER = 1 << 128  # a tick key beyond every time

NO_MINUTE = Accumulator(NOWHERE, _NEVER, _NEVER, 0.0, 0.0, 0.0, 0.0, 0, 0, partial=False)

_TRUNK = frozenset(
    LEVELS.index(one)
    for one in (Interval.M5, Interval.M15, Interval.M30, Interval.H1, Interval.H2, Interval.H4, Interval.D1)
)
# Children before parents, and the branches of a window before the next piece of the trunk.
_CLOSING_ORDER = tuple(
    (LEVELS.index(one), LEVELS.index(one) in _TRUNK)
    for one in (
        Interval.M3, Interval.M5, Interval.M15, Interval.M45, Interval.M30, Interval.H1,
        Interval.H3, Interval.H2, Interval.H4, Interval.D1, Interval.W1, Interval.MN1,
    )
)  # fmt: skip


class Cascade:
    """The fold of one symbol.

    - ``minute`` is the forming minute. A tick later than all before it and earlier than ``horizon`` is folded by
      the Aggregator in place; everything else comes to ``take``. ``due`` is the nearest key at which something must
      happen: the minute's end, or the moment a closed bar settles. ``horizon`` is ``due`` or, if that is nearer,
      the key up to which ticks are known not to come from the future (five seconds, so it moves now and then).
    - ``open`` holds, at each level above the minute, the *closed* children of the running window. All open windows
      contain the instant up to which things are closed (``closed_key``), hence are nested in each other.
    - ``pending`` holds closed bars until they settle, least ``ready_key`` first: exactly those a late tick may
      still amend. With a lateness of at most 60 s that is two bars an interval.
    - What is not known completely is marked partial where it begins and `merge` carries the mark upwards.
      ``minutes`` keeps our closed minutes while there is such a mark, so that history can take the place of what
      was missed (domain/seeding.py).
    """

    __slots__ = (
        "amended", "clock", "closed_key", "closed_ticks", "dropped_key", "due", "events", "fresh", "future",
        "greatest", "grid", "healing", "horizon", "instrument", "jumps", "known_key", "late", "lateness_key",
        "lots_per_unit", "minute", "minutes", "open", "out_of_session", "pending", "seeded_key", "symbol",
    )  # fmt: skip

    def __init__(
        self,
        instrument: Instrument,
        grid: Grid,
        clock: FeedClock,
        lateness_ns: int,
        events: list[BarEvent],
        healing: dict[tuple[str, int], None],
    ) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.lots_per_unit = instrument.lots_per_unit
        self.grid = grid
        self.clock = clock
        self.lateness_key = lateness_ns << SEQ_BITS
        self.events = events
        self.healing = healing
        self.minute = NO_MINUTE
        self.horizon = self.due = 0
        self.open: list[Accumulator | None] = [None] * LEVEL_COUNT
        self.pending: deque[Accumulator] = deque()
        self.minutes: deque[Accumulator] | None = deque()
        self.dropped_key = 0  # closed minutes before this key are not kept
        self.fresh = True  # the next tick's minute is incomplete: we were not listening when it began
        self.known_key = 0  # minutes that start before this key are incomplete
        self.seeded_key = 0  # parents hold history up to here, so late ticks before it are in them already
        self.closed_key = 0
        self.greatest = 0  # greatest key of a tick outside the forming minute
        self.closed_ticks = self.late = self.future = self.out_of_session = self.amended = self.jumps = 0

    def is_next(self, key: int, now_ns: int | None) -> bool:
        """Whether ``key``, later than the forming minute's last, is in it after all; what it settles is settled."""
        due = self.due
        if key >= due and key >= self.minute.frame.end_key:
            return False
        clock = self.clock
        limit = clock.limit
        if key >= limit:
            # `clock.limit_at`, without the call: with one quiet symbol it is a tick in eight.
            clock.limit = limit = NO_LIMIT if now_ns is None else (now_ns + clock.slack_ns) << SEQ_BITS
            if key >= limit:
                return False
        if key >= due:
            self.fresh = False
            self._settle(key)
        else:
            self.horizon = limit if limit < due else due
        return True

    def take(self, key: int, price: float, lots: int, now_ns: int | None) -> None:
        """Take in a tick that is not simply the next one of the forming minute."""
        if key >= self.clock.limit and key >= self.clock.limit_at(now_ns):
            self.future += 1
            return
        frame = self.grid.current
        if not frame.start_key <= key < frame.end_key:
            found = self.grid.minute_of(key)
            if found is None:
                self.out_of_session += 1
                return
            frame = found
        minute = self.minute
        start_key = minute.frame.start_key
        if frame.start_key > start_key and frame.end_key > self.closed_key:
            self._begin_minute(frame, key, price, lots, now_ns)
            self._settle(key)
        elif frame.start_key == start_key:
            minute.put(key, price, lots)
            self.fresh = False
            self._settle(minute.last)
        elif late.take(self, frame, key, price, lots):
            self._settle(key)

    def _begin_minute(self, frame: Frame, key: int, price: float, lots: int, now_ns: int | None) -> None:
        if self.closed_key < frame.start_key:
            self.close_due(frame.start_key)
        if now_ns is None and key - self.greatest > _JUMP and self.greatest:
            self.jumps += 1
        self.minute = Accumulator.of_tick(frame, key, price, lots)
        if self.fresh:
            self.fresh = False
            self.minute.partial = True
            self.known_key = frame.end_key

    def close_due(self, boundary_key: int) -> None:
        """Close every window that ends at or before ``boundary_key``, children first."""
        closed_key = self.closed_key
        if closed_key >= boundary_key:
            return
        minute = self.minute
        frame = minute.frame
        if minute is NO_MINUTE or frame.end_key > boundary_key:
            self.close_levels(boundary_key)
            return
        self.minute = NO_MINUTE
        minute.sum_up()
        if minute.last > self.greatest:
            self.greatest = minute.last
        self.closed_ticks += minute.trades  # type: ignore[assignment]  # a minute's are a count
        self._close(minute)
        if minute.partial or self.minutes is not None:
            self.keep_minute(minute)
        if frame.start_key == closed_key and frame.end_key == boundary_key:
            self._close_ending(frame, boundary_key)
        else:
            self.close_levels(boundary_key)

    def _close_ending(self, frame: Frame, boundary_key: int) -> None:
        """``close_levels`` where one minute has passed since the last time: the grid knows what ended with it."""
        self.closed_key = boundary_key
        open_ = self.open
        for level in frame.ending:
            found = open_[level]
            if found is not None:
                open_[level] = None
                if found.last >= 0:
                    self._close(found)

    def close_levels(self, boundary_key: int) -> None:
        """Close the open windows above the minute that end at or before ``boundary_key``, children first."""
        self.closed_key = boundary_key
        open_ = self.open
        for level, is_trunk in _CLOSING_ORDER:
            found = open_[level]
            if found is None:
                continue
            if found.frame.end_key <= boundary_key:
                open_[level] = None
                if found.last >= 0:
                    self._close(found)
            elif is_trunk:
                return  # what is above contains this window, so it goes on too

    def _close(self, closed: Accumulator) -> None:
        """Emit ``closed`` and merge it into its parents."""
        self.pending.append(closed)
        closed.made = made = closed.bar(self.symbol, self.lots_per_unit, _PROVISIONAL)
        self.events.append(_new_tuple(BarEvent, (_CLOSED, made)))
        open_ = self.open
        for frame in closed.frame.parents:  # `merge_up`, without the call
            parent = open_[frame.level]
            if parent is None:
                open_[frame.level] = closed.copy(frame)
            else:
                parent.append(closed)

    def merge_up(self, closed: Accumulator) -> None:
        """Merge a closed bar into its parents. They are open: a window closes after its last child."""
        open_ = self.open
        for frame in closed.frame.parents:
            parent = open_[frame.level]
            if parent is None:
                open_[frame.level] = closed.copy(frame)
            else:
                parent.append(closed)

    def keep_minute(self, closed: Accumulator) -> None:
        """Note a closed minute while something is incomplete; an incomplete one is queued for healing itself."""
        if closed.partial:
            self.healing[self.symbol, closed.frame.start] = None
        if self.minutes is None:
            return
        if len(self.minutes) >= _KEPT_MINUTES:
            self.dropped_key = max(self.dropped_key, self.minutes.popleft().frame.end_key)
        self.minutes.append(closed)

    def _settle(self, key: int) -> None:
        """Settle what the greatest event time, if it is that of ``key``, has passed; and see what is due next."""
        pending, due = self.pending, self.minute.frame.end_key
        while pending:
            oldest = pending[0]
            settles = oldest.frame.ready_key + self.lateness_key
            if settles > key:
                if settles < due:
                    due = settles
                break
            pending.popleft()
            self.events.append(_new_tuple(BarEvent, (_SETTLED, oldest.made or self.bar_of(oldest))))
        self.due = due
        limit = self.clock.limit
        self.horizon = limit if limit < due else due

    def greatest_key(self) -> int:
        minute = self.minute
        return self.greatest if minute is NO_MINUTE or minute.last < self.greatest else minute.last

    def find_pending(self, frame: Frame) -> Accumulator | None:
        """The closed and not yet settled bar of ``frame``."""
        for closed in reversed(self.pending):
            if closed.frame.start == frame.start and closed.frame.level == frame.level:
                return closed
        return None

    def bar_of(self, closed: Accumulator) -> Bar:
        """The bar of a closed window, made once a version."""
        made = closed.made
        if made is None:
            made = closed.made = closed.bar(self.symbol, self.lots_per_unit, _PROVISIONAL)
        return made

    def mark_gap(self) -> None:
        """We stopped listening for a while: what is open is incomplete, and so is the minute of the next tick."""
        for one in (self.minute, *self.open):
            if one is not None and one is not NO_MINUTE:
                one.partial = True
        self.fresh = True
        self.look_up()
        if self.minutes is None:
            self.minutes = deque()
            self.dropped_key = max(self.closed_key, self.dropped_key)

    def follow(self, instrument: Instrument, clock: FeedClock, lateness_ns: int) -> None:
        """Take over what may change while a symbol is followed."""
        self.instrument = instrument
        self.clock = clock
        self.lateness_key = lateness_ns << SEQ_BITS
        self.look_up()

    def look_up(self) -> None:
        """Have the next tick come through `take`, whatever it is."""
        self.horizon = self.due = 0

    def counts(self) -> FoldCounts:
        self.minute.sum_up()
        ticks = self.closed_ticks + int(self.minute.trades)
        return FoldCounts(ticks, self.late, self.future, self.out_of_session, self.amended, self.jumps)

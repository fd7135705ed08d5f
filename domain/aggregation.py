"""Aggregator: the fold of ticks into bars of 13 intervals, for many symbols.

One tick touches one object, the forming minute of its symbol. A closed minute is merged into its parents in a nest
(3m and 5m from 1m, 15m from 5m, and so on up to the month), so a tick costs the same whether one interval is wanted
or thirteen, and the bars do not depend on the order in which ticks arrive: see domain/accumulator.py.

Nothing here reads a clock. `now` is given in nanoseconds since 1970 UTC; None is a recording, in which only the
times of the ticks count.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from domain import checkpoint, forming, seeding
from domain.bar import Bar
from domain.bar_events import BarEvent, BarEventKind, FoldCounts
from domain.calendars import get_calendar
from domain.cascade import Cascade
from domain.feed_clock import FeedClock
from domain.grid import Grid
from domain.instrument import Instrument
from domain.interval import Interval
from domain.seeding import HistoryRange
from domain.tick import Tick

__all__ = ["Aggregator", "BarEvent", "BarEventKind", "FoldCounts", "HistoryRange"]

MAX_LATENESS_NS = 60 * 10**9


class Aggregator:
    """Folds the ticks of the symbols it follows.

    ``add`` each tick, call ``close_due`` at least once a second (it does something once a minute), and take what
    happened from ``drain``; ``events`` is non-empty when there is something to take. ``grace_ns``: how long after
    its end a bar waits for its last ticks before a sweep closes it. ``future_ns``: a tick further ahead of `now`
    is refused.
    """

    def __init__(self, *, grace_ns: int = 2 * 10**9, future_ns: int = 5 * 10**9) -> None:
        self.events: list[BarEvent] = []
        self._grace_ns = grace_ns
        self._future_ns = future_ns
        self._cascades: dict[str, Cascade] = {}
        self._grids: dict[str, Grid] = {}
        self._clocks: dict[int, FeedClock] = {}
        self._healing: dict[tuple[str, int], None] = {}  # a dict keeps the order and forgets repetitions
        self._saved: dict[str, dict[str, Any]] = {}  # restored, but not followed yet
        self._swept_at_ns = 0
        self._next_sweep_ns = 0

    def follow(self, instrument: Instrument, *, lateness_ns: int = 10 * 10**9) -> None:
        """Fold this symbol from now on. Doing it again only takes over a changed delay, lateness and lot step.

        The minute of the first tick is partial, unless ``restore`` knows the symbol. Raises UnknownCalendar, and
        ValueError if the lateness is not between 0 and 60 s.
        """
        if not 0 <= lateness_ns <= MAX_LATENESS_NS:
            raise ValueError(f"{instrument.symbol}: lateness must be 0 to 60 s, not {lateness_ns / 10**9} s")
        grid = self._grids.get(instrument.calendar)
        if grid is None:
            grid = self._grids[instrument.calendar] = Grid(get_calendar(instrument.calendar))
        clock = self._clock(instrument.delay_seconds)
        self._next_sweep_ns = 0
        known = self._cascades.get(instrument.symbol)
        if known is not None and known.grid is grid and known.lots_per_unit == instrument.lots_per_unit:
            known.follow(instrument, clock, lateness_ns)
            return
        cascade = Cascade(instrument, grid, clock, lateness_ns, self.events, self._healing)
        self._cascades[instrument.symbol] = cascade
        saved = self._saved.pop(instrument.symbol, None)
        if saved is not None:
            checkpoint.load(cascade, saved)

    def _clock(self, delay_seconds: int) -> FeedClock:
        clock = self._clocks.get(delay_seconds)
        if clock is None:
            clock = FeedClock(delay_seconds * 10**9, self._grace_ns, self._future_ns)
            self._clocks[delay_seconds] = clock
        clock.look_up()  # what was restored or has just begun may be due already
        return clock

    def forget(self, symbol: str) -> None:
        """Stop folding ``symbol``; what was forming is dropped, what had closed has been emitted."""
        self._cascades.pop(symbol, None)
        self._saved.pop(symbol, None)

    def mark_gap(self, symbol: str) -> None:
        """Say that ticks of ``symbol`` may have been missed since its last one: call it at every (re)subscription.

        What is forming is partial then, and so is the minute of the next tick; ``seed`` fills the parents.
        """
        if symbol in self._cascades:
            self._cascades[symbol].mark_gap()

    def add(self, tick: Tick, now_ns: int | None) -> None:
        """Take in one tick; of a symbol that is not followed, nothing. ``tick.key`` is unique in its symbol.

        The path of nearly every tick is the one below: it is later than all before it in the forming minute, so it
        sets the close. That it is not before the minute's start follows from ``last``; that nothing else is to do,
        not even a look at the clock, from ``horizon``, or, where the symbol was quiet while others moved the clock
        on, from what ``horizon`` is made of. Two comparisons of integers, four at most, are all that lateness, the
        minute's end, settling and the future cost a tick. Fields are read where they are needed: it is quicker.
        """
        try:
            cascade = self._cascades[tick.symbol]
        except KeyError:
            return
        minute = cascade.minute
        key = tick.key
        if minute.last < key and (
            key < cascade.horizon or (key < cascade.due and key < cascade.clock.limit) or cascade.is_next(key, now_ns)
        ):
            price = tick.price
            minute.last = key
            minute.close = price
            if price > minute.high:
                minute.high = price
            elif price < minute.low:
                minute.low = price
            minute.sizes.append(tick.lots)
        else:
            cascade.take(key, tick.price, tick.lots, now_ns)

    def add_many(self, ticks: Iterable[Tick], now_ns: int | None) -> None:
        """``add`` for each of ``ticks``, without the calls."""
        cascades = self._cascades
        for tick in ticks:
            try:
                cascade = cascades[tick.symbol]
            except KeyError:
                continue
            minute = cascade.minute
            key = tick.key
            if minute.last < key and (
                key < cascade.horizon
                or (key < cascade.due and key < cascade.clock.limit)
                or cascade.is_next(key, now_ns)
            ):
                price = tick.price
                minute.last = key
                minute.close = price
                if price > minute.high:
                    minute.high = price
                elif price < minute.low:
                    minute.low = price
                minute.sizes.append(tick.lots)
            else:
                cascade.take(key, tick.price, tick.lots, now_ns)

    def close_due(self, now_ns: int) -> None:
        """The sweep: close what ended at least the grace ago, for each symbol at ``now_ns`` less its feed's delay.

        Between two whole minutes there is nothing to do, and it returns at once.
        """
        if self._swept_at_ns <= now_ns < self._next_sweep_ns:  # a clock that was put back is looked at anew
            return
        next_ns = 1 << 63
        for clock in self._clocks.values():
            next_ns = min(next_ns, clock.sweep(now_ns))
        for cascade in self._cascades.values():
            cascade.close_due(cascade.clock.swept_key)
        self._swept_at_ns = now_ns
        self._next_sweep_ns = next_ns

    def drain(self) -> list[BarEvent]:
        """What happened since the last drain, in order."""
        events = self.events[:]
        self.events.clear()
        return events

    def forming(self, symbol: str, interval: Interval) -> Bar | None:
        """The running bar: its closed part merged with the forming minute. None if it has no tick yet."""
        cascade = self._cascades.get(symbol)
        return None if cascade is None else forming.bar_of(cascade, interval)

    def wanted_history(self, symbol: str, through: int) -> list[HistoryRange]:
        """Which closed bars ``seed`` needs, up to epoch second ``through``, to complete every running window."""
        return seeding.wanted_history(self._cascades[symbol].grid, through)

    def seed(self, symbol: str, bars: Iterable[Bar], *, through: int, since: int | None = None) -> None:
        """Put closed bars of the history in the place of what was not heard, up to epoch second ``through``.

        ``bars``: 1m of the running 4h window (and of the running 3h and 45m, which may begin before it), 4h of the
        running day, 1d of the running week and month, see ``wanted_history``; others are left aside. Own closed
        minutes from ``through`` on are merged on top. A window is no longer partial if history and own minutes
        leave no hole in it. ``since``: before it nothing may be missing; without it a bar must prove it, so
        windows whose first minutes had no trade stay partial.

        May be called again with a later ``through``. Does nothing where everything has been heard.
        """
        cascade = self._cascades.get(symbol)
        if cascade is not None:
            seeding.seed(cascade, bars, through=through, since=since)

    def counts(self, symbol: str) -> FoldCounts:
        """What became of the ticks of ``symbol`` since it is followed."""
        return self._cascades[symbol].counts()

    def take_healing(self) -> list[tuple[str, int]]:
        """(symbol, start in epoch seconds) of minutes that history must heal; each is told once."""
        minutes = list(self._healing)
        self._healing.clear()
        return minutes

    def checkpoint(self) -> dict[str, Any]:
        """All that is forming or not settled, as JSON of strings, numbers and lists; see ``restore``."""
        return checkpoint.dump(self._cascades, self._saved, self._healing)

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where ``checkpoint`` was taken, as if nothing had happened in between.

        Symbols may be followed before or after. If the feed was away meanwhile call ``mark_gap``. Events that
        were not drained are not in it. Raises ValueError if the state is of another version.
        """
        self._saved.update(checkpoint.symbols_of(state))
        self._healing.update(dict.fromkeys(checkpoint.healing_of(state)))
        for symbol in list(self._saved):
            if symbol in self._cascades:
                checkpoint.load(self._cascades[symbol], self._saved.pop(symbol))
        for clock in self._clocks.values():
            clock.look_up()
        self._next_sweep_ns = 0

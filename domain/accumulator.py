"""Accumulator: a bar in the making, and `merge`, the one operation of the fold."""

from __future__ import annotations

import math

from domain.bar import Bar, BarSource, BarState
from domain.grid import Frame

_STREAM = BarSource.STREAM
UNKNOWN_TRADES = math.nan  # added to any count it stays unknown
_new = object.__new__  # a copy is made for each parent that begins: a third of the cost of a call with ten arguments


class Accumulator:
    """Ticks of one window, summed up. Mutable, slots only, ints and floats.

    A set of ticks is described by its least and its greatest key with their prices, its extremes, its sum of lots
    and its count. Joining two disjoint sets gives the description of their union whatever the order, so taking in
    a tick, rolling minutes up and amending a closed bar are all `merge`. Sizes stay integers of the lot step:
    sums of floats differ with their order, and would look like revisions.

    ``sizes`` are those of the forming minute's ticks that are noted only: a list takes one in a third of the time
    of a sum and a count, and both are made of it when somebody looks (``sum_up``), at the minute's end at last.

    ``made`` keeps the frozen Bar of a closed window until its content changes. ``trades`` is a count, or NaN
    where bars of a history that does not tell it were merged in.
    """

    __slots__ = ("close", "first", "frame", "high", "last", "lots", "low", "made", "open", "partial", "sizes", "trades")

    def __init__(
        self,
        frame: Frame,
        first: int,
        last: int,
        open_: float,
        high: float,
        low: float,
        close: float,
        lots: int,
        trades: float,
        partial: bool,
    ) -> None:
        self.frame = frame
        self.first = first
        self.last = last
        self.open = open_
        self.high = high
        self.low = low
        self.close = close
        self.lots = lots
        self.trades = trades
        self.partial = partial
        self.made: Bar | None = None
        self.sizes: list[int] = []

    @classmethod
    def empty(cls, frame: Frame) -> Accumulator:
        """No ticks: merged with anything it makes no difference. Its ``last`` is negative, and it makes no bar."""
        return cls(frame, 1 << 128, -1, 0.0, -math.inf, math.inf, 0.0, 0, 0, partial=False)

    @classmethod
    def of_tick(cls, frame: Frame, key: int, price: float, lots: int) -> Accumulator:
        """One tick."""
        one = _new(cls)
        one.frame = frame
        one.first = one.last = key
        one.open = one.high = one.low = one.close = price
        one.lots = lots
        one.trades = 1
        one.partial = False
        one.made = None
        one.sizes = []
        return one

    def sum_up(self) -> None:
        """Put what ``sizes`` holds into ``lots`` and ``trades``."""
        sizes = self.sizes
        self.lots += sum(sizes)
        self.trades += len(sizes)
        sizes.clear()

    def put(self, key: int, price: float, lots: int) -> None:
        """Take in one tick, in any order. The usual tick, later than all before, never gets here: see Aggregator."""
        if key > self.last:
            self.last = key
            self.close = price
        if key < self.first:
            self.first = key
            self.open = price
        if price > self.high:
            self.high = price
        if price < self.low:
            self.low = price
        self.lots += lots
        self.trades += 1
        self.made = None

    def merge(self, other: Accumulator) -> None:
        """Take in the ticks of ``other``, none of which is ours already. Associative and commutative."""
        if other.last > self.last:
            self.last = other.last
            self.close = other.close
        if other.first < self.first:
            self.first = other.first
            self.open = other.open
        if other.high > self.high:
            self.high = other.high
        if other.low < self.low:
            self.low = other.low
        self.lots += other.lots
        self.trades += other.trades
        if other.partial:
            self.partial = True
        self.made = None

    def append(self, other: Accumulator) -> None:
        """``merge`` of what is later than all that is here, as closed children come."""
        self.last = other.last
        self.close = other.close
        if other.first < self.first:  # only if there is nothing here yet
            self.first = other.first
            self.open = other.open
        if other.high > self.high:
            self.high = other.high
        if other.low < self.low:
            self.low = other.low
        self.lots += other.lots
        self.trades += other.trades
        if other.partial:
            self.partial = True
        self.made = None

    def copy(self, frame: Frame) -> Accumulator:
        """The same ticks as the beginning of ``frame``."""
        one = _new(Accumulator)
        one.frame = frame
        one.first = self.first
        one.last = self.last
        one.open = self.open
        one.high = self.high
        one.low = self.low
        one.close = self.close
        one.lots = self.lots
        one.trades = self.trades
        one.partial = self.partial
        one.made = None
        return one

    def same_values(self, other: Accumulator) -> bool:
        """Whether both would make equal bars."""
        return (
            self.open == other.open
            and self.high == other.high
            and self.low == other.low
            and self.close == other.close
            and self.lots == other.lots
            and (self.trades == other.trades or (self.trades != self.trades and other.trades != other.trades))
            and self.partial == other.partial
        )

    def bar(self, symbol: str, lots_per_unit: int, state: BarState) -> Bar:
        """The frozen value. Volume is divided once, here."""
        frame = self.frame
        trades = self.trades
        return Bar(
            symbol,
            frame.interval,
            frame.open_time,
            frame.starts_at,
            frame.close_time,
            self.open,
            self.high,
            self.low,
            self.close,
            self.lots / lots_per_unit,
            trades if trades == trades else None,  # type: ignore[arg-type]  # a count, or NaN, which differs from itself
            state,
            _STREAM,
            self.partial,
        )

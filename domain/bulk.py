"""Folds whole recordings with numpy: the same bars, to the last bit, as the live fold makes tick by tick.

Use it where nobody waits for a forming bar. A recording is complete, so no tick is late in it: ticks are ordered by
event time, equal times by their place in the recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.calendars import Calendar, Window, get_calendar
from domain.errors import UnknownCalendar
from domain.instrument import Instrument
from domain.interval import Interval
from domain.spans import DAY

Integers = NDArray[np.int64]
Prices = NDArray[np.float64]
# Sizes are 64-bit integers, or Python's own where a sum might not fit (object arrays: slower, never wrong).
Lots = NDArray[Any]

_MINUTE_NS = 60 * 10**9
_MOST_LOTS = 2.0**62
_TABLES_KEPT = 64


class BarColumns(NamedTuple):
    """Bars of one interval as columns, ascending. Times are epoch seconds; ``key`` is the bar's open_time."""

    key: Integers
    start: Integers
    end: Integers
    open: Prices
    high: Prices
    low: Prices
    close: Prices
    lots: Lots
    trades: Integers


class _Minutes(NamedTuple):
    """Minutes counted in UTC, whatever the calendar, with the event times of their first and last tick."""

    start: Integers
    first_ns: Integers
    last_ns: Integers
    open: Prices
    high: Prices
    low: Prices
    close: Prices
    lots: Lots
    trades: Integers


class BulkFold:
    """The fold of one instrument, fed in pieces of any size; memory grows with the minutes, not with the ticks."""

    def __init__(self, instrument: Instrument) -> None:
        self._calendar = get_calendar(instrument.calendar)
        self._tables: list[_Minutes] = []
        self.ticks = 0
        self.out_of_session = 0
        self.last_ns: int | None = None  # the greatest event time

    def add(self, time_ns: Integers, prices: Prices, lots: Lots) -> None:
        """Take in ticks, in the order of the recording. Prices must be finite, lots not negative."""
        if not len(time_ns):
            return
        minutes = _minutes(time_ns, prices, lots)
        self.ticks += len(time_ns)
        self.last_ns = max(int(minutes.last_ns.max()), self.last_ns if self.last_ns is not None else -(2**63))
        self._tables.append(minutes)
        if len(self._tables) > _TABLES_KEPT:
            self._tables = [_joined(self._tables)]

    def scale_lots(self, factor: int) -> None:
        """Count sizes in ``factor`` times finer steps from now on."""
        self._tables = [table._replace(lots=_summable(table.lots, factor) * factor) for table in self._tables]

    def bars(self) -> dict[Interval, BarColumns]:
        """Bars of all 13 intervals, those that are not over at the greatest event time included."""
        if self._tables:
            self._tables = [_joined(self._tables)]
        minutes = self._tables[0] if self._tables else _EMPTY
        minutes = minutes._replace(lots=_summable(minutes.lots))  # and so are the sums of any of them
        columns = {Interval.M1: _in_session(self._calendar, minutes)}
        self.out_of_session = int(minutes.trades.sum()) - int(columns[Interval.M1].trades.sum())
        for interval in Interval:
            if interval.child is not None:
                columns[interval] = _rolled_up(self._calendar, interval, columns[interval.child])
        return columns


def fold_batch(instrument: Instrument, time_ns: Integers, prices: Prices, lots: Lots) -> dict[Interval, BarColumns]:
    """Bars of all 13 intervals of these ticks, which are in the order of the recording."""
    fold = BulkFold(instrument)
    fold.add(time_ns, prices, lots)
    return fold.bars()


def _minutes(time_ns: Integers, prices: Prices, lots: Lots) -> _Minutes:
    if len(time_ns) > 1 and bool((time_ns[1:] < time_ns[:-1]).any()):
        order = np.argsort(time_ns, kind="stable")
        time_ns, prices, lots = time_ns[order], prices[order], lots[order]
    number = time_ns // _MINUTE_NS
    first, last = _groups(number)
    return _Minutes(
        start=number[first] * 60,
        first_ns=time_ns[first],
        last_ns=time_ns[last],
        open=prices[first],
        high=np.maximum.reduceat(prices, first),
        low=np.minimum.reduceat(prices, first),
        close=prices[last],
        lots=np.add.reduceat(_summable(lots), first),
        trades=last - first + 1,
    )


def _groups(values: Integers) -> tuple[Integers, Integers]:
    """First and last index of each run of equal values."""
    changes = (values[1:] != values[:-1]).nonzero()[0]
    first = np.empty(len(changes) + 1, dtype=np.int64)
    last = np.empty(len(changes) + 1, dtype=np.int64)
    first[0], last[-1] = 0, len(values) - 1
    first[1:] = changes + 1
    last[:-1] = changes
    return first, last


def _summable(lots: Lots, factor: int = 1) -> Lots:
    """``lots`` as they are if ``factor`` times any sum of them fits 64 bits, else as Python integers."""
    if lots.dtype != object and float(lots.sum(dtype=np.float64)) * factor >= _MOST_LOTS:
        return lots.astype(object)
    return lots


def _joined(tables: list[_Minutes]) -> _Minutes:
    """One ascending table out of many; where several hold the same minute, they are merged."""
    if len(tables) == 1:
        return tables[0]
    table = _Minutes(*(np.concatenate(column) for column in zip(*tables, strict=True)))
    if bool((table.start[1:] > table.start[:-1]).all()):
        return table
    # Both orders are stable, so that of equal event times the recording's earlier one opens, the later one closes.
    by_first = np.lexsort((table.first_ns, table.start))
    by_last = np.lexsort((table.last_ns, table.start))
    first, last = _groups(table.start[by_first])
    return _Minutes(
        start=table.start[by_first][first],
        first_ns=table.first_ns[by_first][first],
        last_ns=table.last_ns[by_last][last],
        open=table.open[by_first][first],
        high=np.maximum.reduceat(table.high[by_first], first),
        low=np.minimum.reduceat(table.low[by_first], first),
        close=table.close[by_last][last],
        lots=np.add.reduceat(_summable(table.lots)[by_first], first),
        trades=np.add.reduceat(table.trades[by_first], first),
    )


def _in_session(calendar: Calendar, minutes: _Minutes) -> BarColumns:
    """The bars of one minute: without what lies outside every segment, the closing auction in its last minute."""
    start = minutes.start
    bars = BarColumns(start, start, start + 60, *minutes[3:])
    return bars if calendar.alignment == "utc" else _grouped(calendar, Interval.M1, bars)


def _rolled_up(calendar: Calendar, interval: Interval, children: BarColumns) -> BarColumns:
    if calendar.alignment != "utc" or not len(children.start):
        return _grouped(calendar, interval, children)
    start, end = _utc_spans(interval, children.start)
    return _merged(children, start, start, end)


def _utc_spans(interval: Interval, at: Integers) -> tuple[Integers, Integers]:
    """Starts and ends of the bars, aligned to UTC, that hold the seconds ``at``."""
    seconds = interval.seconds or {Interval.D1: DAY, Interval.W1: 7 * DAY}.get(interval)
    if seconds is None:
        month = at.astype("datetime64[s]").astype("datetime64[M]")
        start, end = (moment.astype("datetime64[s]").astype(np.int64) for moment in (month, month + 1))
        return start, end
    shift = 3 * DAY if interval is Interval.W1 else 0  # 1970 began with a Thursday
    start = at - (at + shift) % seconds
    return start, start + seconds


def _grouped(calendar: Calendar, interval: Interval, children: BarColumns) -> BarColumns:
    """Children merged into the calendar's bars of ``interval``; those that belong to none are left out."""
    rows = list(_places(calendar, interval, children.start.tolist()))
    places = np.array(rows, dtype=np.int64).reshape(-1, 4)
    if len(places) < len(children.start):
        children = BarColumns._make(column[places[:, 0]] for column in children)
    return _merged(children, places[:, 3], places[:, 1], places[:, 2])


def _places(calendar: Calendar, interval: Interval, starts: list[int]) -> Iterator[tuple[int, int, int, int]]:
    """(index, start, end, key) of the bar that holds each of ``starts`` (ascending), where there is one."""
    window = None
    for index, start in enumerate(starts):
        if window is None or start >= window.end:
            window = _window(calendar, interval, start)
        if window is not None:
            yield index, *window


def _window(calendar: Calendar, interval: Interval, at: int) -> Window | None:
    """Where the calendar does not reach there are no bars, as in the live fold."""
    try:
        return calendar.window(interval, at)
    except UnknownCalendar:
        return None


def _merged(children: BarColumns, key: Integers, start: Integers, end: Integers) -> BarColumns:
    """Children that share a key made one bar."""
    if not len(key):
        return BarColumns(key, start, end, *children[3:])
    first, last = _groups(key)
    return BarColumns(
        key=key[first],
        start=start[first],
        end=end[first],
        open=children.open[first],
        high=np.maximum.reduceat(children.high, first),
        low=np.minimum.reduceat(children.low, first),
        close=children.close[last],
        lots=np.add.reduceat(children.lots, first),
        trades=np.add.reduceat(children.trades, first),
    )


_NO_INTEGERS: Integers = np.zeros(0, dtype=np.int64)
_NO_PRICES: Prices = np.zeros(0, dtype=np.float64)
_EMPTY = _Minutes(
    _NO_INTEGERS,
    _NO_INTEGERS,
    _NO_INTEGERS,
    _NO_PRICES,
    _NO_PRICES,
    _NO_PRICES,
    _NO_PRICES,
    _NO_INTEGERS,
    _NO_INTEGERS,
)

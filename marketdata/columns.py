"""Bars of an answer as columns: what every format is written from."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from domain.bar import BarSource, BarState
from domain.calendars import get_calendar
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.documents import Row
from marketdata.spans import spans

DEFAULT_FIELDS = ("symbol", "open_time", "open", "high", "low", "close", "volume")
# What a file of bars holds, so that it can be read back whole.
EXPORTED = (
    *("symbol", "interval", "open_time", "open", "high", "low", "close", "volume"),
    *("trades", "state", "source", "partial"),
)
FIELDS = (*EXPORTED, "close_time", "revision", "filled")
TIMES = frozenset({"open_time", "close_time"})
PIECE = 5_000  # bars that are written together

_STATES = {state: state.value for state in BarState}
_SOURCES = {source: source.value for source in BarSource}
Columns = list[list[Any]]  # as many lists as fields, times in epoch seconds


class Found(NamedTuple):
    """A bar of an answer and the position of its symbol in the question; ``is_filled`` if it was made up."""

    position: int
    row: Row
    is_filled: bool = False

    @property
    def place(self) -> tuple[int, int]:
        return self.row.open_time, self.position


def pieces(
    found: Iterable[Found], fields: Sequence[str], instruments: Sequence[Instrument], interval: Interval
) -> Iterator[Columns]:
    """The columns ``fields`` of ``found``, some thousand bars at a time; at least one piece, which may be empty."""
    rest = iter(found)
    piece = list(itertools.islice(rest, PIECE))
    yield columns(piece, fields, instruments, interval)
    while piece := list(itertools.islice(rest, PIECE)):
        yield columns(piece, fields, instruments, interval)


def columns(
    found: Sequence[Found], fields: Sequence[str], instruments: Sequence[Instrument], interval: Interval
) -> Columns:
    """One list for each of ``fields``; None where a bar has no such value, as made-up ones have no state."""
    rows = [one.row for one in found]
    made: dict[str, Callable[[], list[Any]]] = {
        "symbol": lambda: _symbols(found, instruments),
        "interval": lambda: [interval.value] * len(found),
        "close_time": lambda: _close_times(found, instruments, interval),
        "state": lambda: [None if one.is_filled else _STATES[one.row.state] for one in found],
        "source": lambda: [None if one.is_filled else _SOURCES[one.row.source] for one in found],
        "filled": lambda: [one.is_filled for one in found],
    }
    return [made[name]() if name in made else list(map(attrgetter(name), rows)) for name in fields]


def _symbols(found: Sequence[Found], instruments: Sequence[Instrument]) -> list[str]:
    if len(instruments) == 1:
        return [instruments[0].symbol] * len(found)
    codes = [instrument.symbol for instrument in instruments]
    return [codes[one.position] for one in found]


def _close_times(found: Sequence[Found], instruments: Sequence[Instrument], interval: Interval) -> list[int]:
    ends: dict[tuple[int, int], int] = {}
    for position, instrument in enumerate(instruments):
        keys = sorted({one.row.open_time for one in found if one.position == position})
        known = spans(get_calendar(instrument.calendar), interval, keys)
        ends.update(((key, position), end) for key, (_, end) in zip(keys, known, strict=True))
    return [ends[one.place] for one in found]

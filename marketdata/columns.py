"""Bars of an answer as columns: what every format is written from."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from domain.bar import BarSource, BarState
from domain.calendars import get_calendar
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.documents import Row
from marketdata.spans import spans
from marketdata.tables import Column, Table

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
Columns = list[Column | list[Any]]  # as many as fields, times in epoch seconds


class Found(NamedTuple):
    """A bar of an answer and the position of its symbol in the question; ``is_filled`` if it was made up."""

    position: int
    row: Row
    is_filled: bool = False

    @property
    def place(self) -> tuple[int, int]:
        return self.row.open_time, self.position


@dataclass(frozen=True, slots=True)
class Piece:
    """Bars of an answer, in its order.

    ``positions``: of each the position of its symbol in the question; None: there is but one symbol. ``filled``: the
    places in ``table`` of those that were made up.
    """

    table: Table
    positions: Sequence[int] | None = None
    filled: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.table)

    @classmethod
    def of(cls, found: Sequence[Found]) -> Piece:
        filled = frozenset(place for place, one in enumerate(found) if one.is_filled)
        return cls(Table.of([one.row for one in found]), [one.position for one in found], filled)

    def place(self, at: int) -> tuple[int, int]:
        """Open time and symbol of the bar at ``at``."""
        return int(self.table.times[at]), self.positions[at] if self.positions else 0

    def part(self, start: int, stop: int) -> Piece:
        positions = None if self.positions is None else self.positions[start:stop]
        filled = frozenset(place - start for place in self.filled if start <= place < stop)
        return Piece(self.table.part(start, stop), positions, filled)

    def backwards(self) -> Piece:
        positions = None if self.positions is None else self.positions[::-1]
        return Piece(self.table.backwards(), positions, frozenset(len(self) - 1 - place for place in self.filled))

    @property
    def told(self) -> list[Row]:
        """The stored bars of which there is more to say than their values."""
        rare = self.table.rare.items()
        return [row for place, row in rare if row.state is not BarState.FORMING and place not in self.filled]

    @property
    def forming(self) -> int:
        return sum(row.state is BarState.FORMING for row in self.table.rare.values())

    def sources(self) -> Counter[BarSource]:
        """How many of the stored bars came from where."""
        usual = len(self) - len(self.table.rare) - len(self.filled)
        return Counter([row.source for row in self.told]) + Counter({BarSource.HISTORY: usual})


def pieces(found: Iterable[Found]) -> Iterator[Piece]:
    """``found``, some thousand bars at a time."""
    rest = iter(found)
    while piece := list(itertools.islice(rest, PIECE)):
        yield Piece.of(piece)


def written(
    pieces: Iterable[Piece], fields: Sequence[str], instruments: Sequence[Instrument], interval: Interval
) -> Iterator[Columns]:
    """The columns ``fields`` of each piece; of at least one, which may be empty."""
    rest = iter(pieces)
    first = next(rest, Piece(Table.of(())))
    for piece in itertools.chain([first], rest):
        yield columns(piece, fields, instruments, interval)


def columns(piece: Piece, fields: Sequence[str], instruments: Sequence[Instrument], interval: Interval) -> Columns:
    """A column for each of ``fields``; None where a bar has no such value, as made-up ones have no state."""
    table = piece.table
    made: dict[str, Callable[[], list[Any]]] = {
        "symbol": lambda: _symbols(piece, instruments),
        "interval": lambda: [interval.value] * len(piece),
        "close_time": lambda: _close_times(piece, instruments, interval),
        "state": lambda: _words(piece, table.column("state"), _STATES),
        "source": lambda: _words(piece, table.column("source"), _SOURCES),
        "filled": lambda: [place in piece.filled for place in range(len(piece))],
    }
    return [made[name]() if name in made else table.column(name) for name in fields]


def _words(piece: Piece, column: Iterable[Any], words: dict[Any, str]) -> list[str | None]:
    found: list[str | None] = [words[value] for value in column]
    for place in piece.filled:
        found[place] = None
    return found


def _symbols(piece: Piece, instruments: Sequence[Instrument]) -> list[str]:
    if piece.positions is None or len(instruments) == 1:
        return [instruments[0].symbol] * len(piece)
    codes = [instrument.symbol for instrument in instruments]
    return [codes[position] for position in piece.positions]


def _close_times(piece: Piece, instruments: Sequence[Instrument], interval: Interval) -> list[int]:
    times, positions = piece.table.times.tolist(), piece.positions or [0] * len(piece)
    ends: dict[tuple[int, int], int] = {}
    for position, instrument in enumerate(instruments):
        keys = sorted({time for time, owner in zip(times, positions, strict=True) if owner == position})
        known = spans(get_calendar(instrument.calendar), interval, keys)
        ends.update(((key, position), end) for key, (_, end) in zip(keys, known, strict=True))
    return [ends[each] for each in zip(times, positions, strict=True)]

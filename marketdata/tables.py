"""Stored bars of a series as columns: thousands are decoded, cut and written at once.

Nearly all documents are plain (``documents``) and cost a few copies of memory each; only what a bar says beyond its
values is looked at bar by bar.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from marketdata import documents
from marketdata.documents import PLAIN_SIZE, Row

Column = npt.NDArray[Any]
_VALUES = ("open", "high", "low", "close", "volume")
_USUAL = tuple(Row._field_defaults.values())


@dataclass(frozen=True, slots=True)
class Table:
    """``times``: open times, int64 epoch seconds. ``values``: open, high, low, close and volume, doubles, 5 columns of
    as many. ``rare``: by place in the table, the bars of which there is more to say than these; others are final, from
    history, whole, never revised, and of unknown trades.
    """

    times: Column
    values: Sequence[Column]
    rare: dict[int, Row]

    def __len__(self) -> int:
        return len(self.times)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Table:
        listed = list(rows)
        times = np.fromiter((row.open_time for row in listed), np.int64, len(listed))
        values = np.array([row[1:6] for row in listed], np.float64).reshape(-1, 5).T
        rare = {place: row for place, row in enumerate(listed) if row[6:] != _USUAL}
        return cls(times, [np.ascontiguousarray(each) for each in values], rare)

    @classmethod
    def joined(cls, tables: Sequence[Table]) -> Table:
        if len(tables) == 1:
            return tables[0]
        rare: dict[int, Row] = {}
        before = 0
        for table in tables:
            rare |= {before + place: row for place, row in table.rare.items()}
            before += len(table)
        if not tables:
            return cls(np.empty(0, np.int64), [np.empty(0)] * 5, rare)
        values = [np.concatenate(parts) for parts in zip(*(table.values for table in tables), strict=True)]
        return cls(np.concatenate([table.times for table in tables]), values, rare)

    def part(self, start: int, stop: int) -> Table:
        """The bars at ``[start, stop)``, as far as there are so many."""
        rare = {place - start: row for place, row in self.rare.items() if start <= place < stop}
        return Table(self.times[start:stop], [column[start:stop] for column in self.values], rare)

    def backwards(self) -> Table:
        last = len(self) - 1
        times, *values = (np.ascontiguousarray(column[::-1]) for column in (self.times, *self.values))
        return Table(times, values, {last - place: row for place, row in self.rare.items()})

    def rows(self) -> Iterator[Row]:
        """The bars one by one."""
        plain = map(Row, self.times.tolist(), *(column.tolist() for column in self.values))
        if not self.rare:
            return plain
        return (self.rare.get(place, row) for place, row in enumerate(plain))

    def column(self, name: str) -> Column | list[Any]:
        """The field of this name of ``Row``: an array of times or values, a list of others."""
        if name == "open_time":
            return self.times
        if name in _VALUES:
            return self.values[_VALUES.index(name)]
        found = [Row._field_defaults[name]] * len(self)
        told = attrgetter(name)
        for place, row in self.rare.items():
            found[place] = told(row)
        return found


def decode_table(batch: Any) -> Table:
    """The bars of documents that stand one after another, in their order."""
    aligned = np.frombuffer(batch, np.uint8, len(batch) // PLAIN_SIZE * PLAIN_SIZE).reshape(-1, PLAIN_SIZE)
    if aligned.size == len(batch) and documents.are_plain(aligned).all():
        return plain_table(aligned)
    return _mixed(batch)


def plain_table(heads: Column) -> Table:
    """``heads``: plain documents, a line of PLAIN_SIZE bytes each."""
    found = heads.view(documents.COLUMNS)[:, 0]
    times = (found["time"].astype(np.uint64) ^ np.uint64(documents.SIGN)).view(np.int64)
    return Table(times, [np.ascontiguousarray(found[name]) for name in "ohlcv"], {})


def _mixed(batch: Any) -> Table:
    """Values are read at once all the same; the longer documents once more, for what else they say."""
    places = np.fromiter(documents.places(batch), np.int64)
    ends = np.append(places[1:], len(batch))
    is_long = ends - places >= PLAIN_SIZE
    heads = np.zeros((len(places), PLAIN_SIZE), np.uint8)
    heads[is_long] = np.frombuffer(batch, np.uint8)[places[is_long, None] + np.arange(PLAIN_SIZE)]
    table = plain_table(heads)  # right for all that begin so
    for place in np.flatnonzero(~documents.are_plain(heads)).tolist():
        row = documents.decode(batch[places[place] : ends[place]])
        table.rare[place] = row
        table.times[place] = row.open_time
        for column, value in zip(table.values, row[1:6], strict=True):
            column[place] = value
    return table

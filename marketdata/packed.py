"""Bars packed as columns, chunk by chunk, for those who read hundreds of thousands: a copy that is never stale.

One document a chunk of the ledger (a day of minutes, sixty days of hours), named like it. ``d`` holds the columns one
after another as little-endian bytes. ``v`` is the chunk's version and ``a`` the splits of the series when packed:
both change in the transaction of whatever changes a bar, and a copy that differs from either is not used. Documents
stay the truth; copies are made by whoever first reads a chunk, and may be dropped at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import bson
import numpy as np
from bson.binary import Binary
from numpy.typing import NDArray
from pymongo import ASCENDING, ReplaceOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from domain.bar import BarState
from domain.coverage import chunks_of
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import coverage_chunks, documents, series
from marketdata.collections import PACKED, SERIES, ensure
from marketdata.documents import Row, instant
from marketdata.ledger import CoverageLedger
from marketdata.mongo import Document, unavailable
from marketdata.repository import BarRepository

_LAYOUT = (("<i8", 8), ("<f8", 8), ("<f8", 8), ("<f8", 8), ("<f8", 8), ("<f8", 8), ("<i8", 8), ("u1", 1))
_BYTES_A_BAR = sum(size for _, size in _LAYOUT)
_FINAL, _PARTIAL = 1, 2
UNKNOWN_TRADES = -1


Column = NDArray[Any]


class Columns(NamedTuple):
    """Bars of one series as arrays of one length, ascending by ``open_time``.

    ``open_time``: ``datetime64[s]``, UTC, the bars' keys. Prices and volume: float64, on today's scale where the series
    was split. ``trades``: int64, -1 where not known. ``flags``: uint8; see ``final`` and ``partial``.
    """

    open_time: Column
    open: Column
    high: Column
    low: Column
    close: Column
    volume: Column
    trades: Column
    flags: Column

    @property
    def final(self) -> Column:
        """Whether the provider's history told or confirmed the bar."""
        return self._has(_FINAL)

    @property
    def partial(self) -> Column:
        """Whether ticks of the bar's span are known to be missing."""
        return self._has(_PARTIAL)

    def _has(self, flag: int) -> Column:
        found: Column = (self.flags & flag) != 0
        return found


class PackedBars:
    """Reads series as columns. Blocking; raises StoreUnavailable while MongoDB is away."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database

    def read(self, instrument: Instrument, interval: Interval, start: int, end: int, *, now: int) -> Columns:
        """The stored bars with keys in ``[start, end)``; all in epoch seconds."""
        ensure(self._database)
        splits = self._splits(instrument, interval)
        with unavailable():
            versions = self._versions(instrument, interval, start, end)
            parts = self._copies(instrument, interval, versions, splits)
        for first, last in _stretches(sorted(versions.keys() - parts.keys()), chunks_of(interval).length):
            made = self._from_documents(instrument, interval, first, last)
            parts |= made
            self._keep(instrument, interval, {at: (versions[at], part) for at, part in made.items()}, splits, now)
        return _cut(_joined([parts[at] for at in sorted(parts)]), start, end)

    def _splits(self, instrument: Instrument, interval: Interval) -> str:
        """What the scale of older bars depends on; a store from before there was a ledger is brought up first."""
        with unavailable():
            known = self._database[SERIES].find_one(
                {"_id": series.identity(instrument, interval)}, {"mapped": 1, "adjustment": 1}
            )
        if known is not None and not known.get("mapped"):
            CoverageLedger(self._database).verify(instrument, interval)
        return repr(known.get("adjustment") or "") if known else ""

    def _versions(self, instrument: Instrument, interval: Interval, start: int, end: int) -> dict[int, int]:
        found = coverage_chunks.read(self._database, instrument, interval, start, end)
        return {chunk.start: chunk.version for chunk in found if chunk.stored}

    def _copies(
        self, instrument: Instrument, interval: Interval, versions: dict[int, int], splits: str
    ) -> dict[int, Columns]:
        if not versions:
            return {}
        lower, upper = documents.key_range(instrument.id, interval, min(versions), max(versions) + 1)
        batches = self._database[PACKED].find_raw_batches(
            {"_id": {"$gte": lower, "$lt": upper}}, hint={"_id": ASCENDING}, batch_size=1_000
        )
        copies = {}
        for document in documents.split(batches):
            at, values = documents.open_time(document), bson.decode(document)
            if values["v"] == versions.get(at) and values["a"] == splits:
                copies[at] = _unpack(values["d"])
        return copies

    def _from_documents(self, instrument: Instrument, interval: Interval, first: int, last: int) -> dict[int, Columns]:
        """The chunks from ``first`` to ``last``, both included, from the bars themselves."""
        chunks = chunks_of(interval)
        rows: dict[int, list[Row]] = {at: [] for at in range(first, last + 1, chunks.length)}
        repository = BarRepository(self._database)
        for row in repository.rows(instrument, interval, instant(first), instant(last + chunks.length)):
            rows[chunks.start_of(row.open_time)].append(row)
        return {at: _columns(found) for at, found in rows.items()}

    def _keep(
        self,
        instrument: Instrument,
        interval: Interval,
        parts: dict[int, tuple[int, Columns]],
        splits: str,
        now: int,
    ) -> None:
        """Keep copies of chunks that have ended, and whose version is still what it was before their bars were read."""
        length = chunks_of(interval).length
        with unavailable():
            current = self._versions(instrument, interval, min(parts), max(parts) + 1)
            writes = [
                ReplaceOne(
                    {"_id": documents.key(instrument.id, interval, at), "v": {"$lte": version}},
                    {
                        "_id": documents.key(instrument.id, interval, at),
                        "v": version,
                        "a": splits,
                        "d": Binary(_pack(part)),
                    },
                    upsert=True,
                )
                for at, (version, part) in parts.items()
                if current.get(at) == version and (at + length <= now or not interval.is_intraday)
            ]
            try:
                if writes:
                    self._database[PACKED].bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                # A newer copy is there already, and the insert that was tried instead found its key taken.
                if any(each["code"] != _DUPLICATE_KEY for each in error.details["writeErrors"]):
                    raise


_DUPLICATE_KEY = 11_000


def _stretches(starts: Sequence[int], length: int) -> Iterable[tuple[int, int]]:
    """Neighbouring chunks joined: the first and the last of each stretch."""
    first = last = None
    for at in starts:
        if first is None or last is None:
            first = last = at
        elif at == last + length:
            last = at
        else:
            yield first, last
            first = last = at
    if first is not None and last is not None:
        yield first, last


def _columns(rows: Sequence[Row]) -> Columns:
    values = np.array([row[:6] for row in rows], dtype=np.float64).reshape(len(rows), 6)
    trades = np.array([UNKNOWN_TRADES if row.trades is None else row.trades for row in rows], dtype=np.int64)
    flags = [(row.state is BarState.FINAL) * _FINAL | row.partial * _PARTIAL for row in rows]
    times = np.array([row.open_time for row in rows], dtype=np.int64).view("datetime64[s]")
    prices = [np.ascontiguousarray(values[:, place]) for place in range(1, 6)]
    return Columns._make([times, *prices, trades, np.array(flags, dtype=np.uint8)])


def _pack(columns: Columns) -> bytes:
    return b"".join(np.ascontiguousarray(column).tobytes() for column in columns)


def _unpack(packed: bytes) -> Columns:
    count, position, columns = len(packed) // _BYTES_A_BAR, 0, []
    for kind, size in _LAYOUT:
        columns.append(np.frombuffer(packed, dtype=kind, count=count, offset=position))
        position += size * count
    return Columns(columns[0].view("datetime64[s]"), *columns[1:])


def _joined(parts: Sequence[Columns]) -> Columns:
    if not parts:
        return _columns([])
    return Columns(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _cut(columns: Columns, start: int, end: int) -> Columns:
    times = columns.open_time.view(np.int64)
    lower, upper = np.searchsorted(times, [start, end])
    return columns if upper - lower == len(times) else Columns(*(column[lower:upper] for column in columns))


def arrays_of(
    database: Database[Any], instrument: Instrument, interval: Interval, start: datetime, end: datetime, now: datetime
) -> Columns:
    """``PackedBars.read`` between aware datetimes."""
    bounds = (documents.seconds(moment) + (moment.microsecond > 0) for moment in (start, end))
    return PackedBars(database).read(instrument, interval, *bounds, now=documents.seconds(now))

"""Bars packed as columns, chunk by chunk, for those who read hundreds of thousands: a copy that is never stale.

One document a chunk of the ledger (a day of minutes, sixty days of hours), named like it. ``c`` holds the columns as
``packing`` writes them. ``v`` is the chunk's version and ``a`` the splits of the series when it was packed: both change
in the transaction of whatever changes a bar, and a copy that differs from either is not used. Documents stay the truth;
copies are made by whoever first reads a chunk, and may be dropped at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import bson
import numpy as np
from pymongo import ASCENDING, ReplaceOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from domain.bar import BarState
from domain.coverage import chunks_of
from domain.errors import StoreUnavailable
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import coverage_chunks, documents, series
from marketdata.collections import PACKED, SERIES, ensure
from marketdata.documents import Row, instant
from marketdata.ledger import CoverageLedger
from marketdata.mongo import Document, unavailable
from marketdata.packing import FINAL, PARTIAL, UNKNOWN_TRADES, Columns, joined, pack
from marketdata.repository import BarRepository
from marketdata.unpacking import unpack


class PackedBars:
    """Reads series as columns. Blocking; raises StoreUnavailable while MongoDB is away."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database

    def read(self, instrument: Instrument, interval: Interval, start: int, end: int, *, now: int) -> Columns:
        """The stored bars with keys in ``[start, end)``; all in epoch seconds, on one scale."""
        ensure(self._database)
        splits = self._splits(instrument, interval)
        for _ in range(_ATTEMPTS):
            columns = self._read(instrument, interval, start, end, splits, now)
            current = self._splits(instrument, interval)
            if current == splits:
                return columns
            splits = current  # copies of before and bars of after it do not fit together
        raise StoreUnavailable(f"{instrument.symbol} {interval}: splits are being found; ask again")

    def _read(self, instrument: Instrument, interval: Interval, start: int, end: int, splits: str, now: int) -> Columns:
        with unavailable():
            versions = coverage_chunks.versions(self._database, instrument, interval, start, end)
            copies = self._copies(instrument, interval, versions, splits)
        fresh: dict[int, Columns] = {}
        for first, last in _stretches(sorted(versions.keys() - copies.keys()), chunks_of(interval).length):
            made = self._from_documents(instrument, interval, first, last)
            fresh |= made
            self._keep(instrument, interval, {at: (versions[at], part) for at, part in made.items()}, splits, now)
        return _cut(_in_order(copies, fresh), start, end)

    def _splits(self, instrument: Instrument, interval: Interval) -> str:
        """What the scale of older bars depends on; a store from before there was a ledger is brought up first."""
        with unavailable():
            known = self._database[SERIES].find_one(
                {"_id": series.identity(instrument, interval)}, {"mapped": 1, "adjustment": 1}
            )
        if known is not None and not known.get("mapped"):
            CoverageLedger(self._database).verify(instrument, interval)
        return repr(known.get("adjustment") or "") if known else ""

    def _copies(
        self, instrument: Instrument, interval: Interval, versions: dict[int, int], splits: str
    ) -> dict[int, Document]:
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
                copies[at] = values["c"]
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
            current = coverage_chunks.versions(self._database, instrument, interval, min(parts), max(parts) + 1)
            writes = [
                ReplaceOne(
                    {"_id": documents.key(instrument.id, interval, at), "v": {"$lte": version}},
                    {
                        "_id": documents.key(instrument.id, interval, at),
                        "v": version,
                        "a": splits,
                        "c": pack(part),
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
_ATTEMPTS = 3


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
    flags = [(row.state is BarState.FINAL) * FINAL | row.partial * PARTIAL for row in rows]
    times = np.array([row.open_time for row in rows], dtype=np.int64).view("datetime64[s]")
    prices = [np.ascontiguousarray(values[:, place]) for place in range(1, 6)]
    return Columns._make([times, *prices, trades, np.array(flags, dtype=np.uint8)])


def _in_order(copies: Mapping[int, Document], fresh: Mapping[int, Columns]) -> Columns:
    """All chunks by their start; copies that follow each other are unpacked together."""
    parts: list[Columns] = []
    for is_copy, starts in groupby(sorted({*copies, *fresh}), key=copies.__contains__):
        chunks = list(starts)
        parts += [unpack([copies[at] for at in chunks])] if is_copy else [fresh[at] for at in chunks]
    return joined(parts) if parts else unpack([])


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

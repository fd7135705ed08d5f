"""What is known of a series' bars, chunk by chunk, at rest: which are stored, and which the provider does not have.

One document a chunk in a clustered collection, named like a bar by symbol, interval and the chunk's start. ``s``,
``x``: bitmaps of the bars that are stored, and that the provider did not have when it was asked and still not a day
later; zlib's bytes, least bit first. ``a``: those that it did not have when it was asked once, as ``[asked at,
bitmap]``, oldest first (documents of before have one such pair, in ``t`` and ``e``). ``v`` rises with every change of
the chunk's bars. ``n``: notes why bars may be missing, as ``[start, end, reason]``.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import bson
from pymongo import ASCENDING, ReplaceOne
from pymongo.client_session import ClientSession
from pymongo.database import Database

from domain.coverage import chunks_of
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import documents, series
from marketdata.absences import ASK_AGAIN, Absence, Absences, absent_by, joined, without
from marketdata.collections import COVERAGE, SERIES
from marketdata.mongo import Document

_MOST_NOTES = 50


@dataclass(slots=True)
class Chunk:
    """A chunk in memory; ``start`` in epoch seconds, bitmaps as in ``domain.coverage``."""

    start: int
    stored: int = 0
    absences: Absences = ()
    settled: int = 0
    version: int = 0
    notes: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def asked(self) -> int:
        """What the provider did not have when it was asked once."""
        return absent_by(self.absences, None)

    def store(self, bits: int) -> None:
        """Bars came: they are no longer known to be absent."""
        self.stored |= bits
        self.absences = without(self.absences, bits)
        self.settled &= ~bits
        self.version += 1

    def lose(self, bits: int) -> None:
        """Bars went."""
        self.stored &= ~bits
        self.version += 1

    def would_learn(self, wanted: int, asked_at: datetime) -> bool:
        """Whether a complete answer to ``wanted`` tells anything new of those that are absent."""
        absent = wanted & ~self.stored & ~self.settled
        return bool(absent & ~self.asked or absent & absent_by(self.absences, asked_at - ASK_AGAIN))

    def learn_absent(self, wanted: int, asked_at: datetime) -> None:
        """The provider answered completely for ``wanted``: those absent it does not have; the second time for good."""
        absent = wanted & ~self.stored & ~self.settled
        again, fresh = absent & absent_by(self.absences, asked_at - ASK_AGAIN), absent & ~self.asked
        self.settled |= again
        self.absences = joined(without(self.absences, again), Absence(asked_at, fresh))

    def note(self, start: int, end: int, reason: str) -> bool:
        """Remember why bars of ``[start, end)`` may be missing, in place of what was noted from that start on; the
        newest are kept. Returns whether it is new.
        """
        if (start, end, reason) in self.notes:
            return False
        others = [note for note in self.notes if note[0] != start]
        self.notes = [*others, (start, end, reason)][-_MOST_NOTES:]
        return True


def _pack(bitmap: int) -> bytes:
    return zlib.compress(bitmap.to_bytes((bitmap.bit_length() + 7) // 8, "little"), 1) if bitmap else b""


def _unpack(packed: bytes) -> int:
    return int.from_bytes(zlib.decompress(packed), "little") if packed else 0


def _encode(identity: bytes, chunk: Chunk) -> Document:
    document: Document = {"_id": identity, "s": _pack(chunk.stored), "v": chunk.version}
    if chunk.absences:
        document["a"] = [[asked_at, _pack(bits)] for asked_at, bits in chunk.absences]
    if chunk.settled:
        document["x"] = _pack(chunk.settled)
    if chunk.notes:
        document["n"] = [list(note) for note in chunk.notes]
    return document


_AWARE: bson.codec_options.CodecOptions[Any] = bson.codec_options.CodecOptions(tz_aware=True)


def _decode(document: bytes) -> Chunk:
    values = bson.decode(document, _AWARE)
    return Chunk(
        start=documents.open_time(document),
        stored=_unpack(values["s"]),
        absences=_absences(values),
        settled=_unpack(values.get("x", b"")),
        version=values["v"],
        notes=[(start, end, reason) for start, end, reason in values.get("n", ())],
    )


def _absences(values: Document) -> Absences:
    known = values.get("a") or ([[values["t"], values["e"]]] if "e" in values else ())
    return tuple(Absence(asked_at, _unpack(packed)) for asked_at, packed in known)


def read(
    database: Database[Document],
    instrument: Instrument,
    interval: Interval,
    start: int | None,
    end: int | None,
    *,
    session: ClientSession | None = None,
) -> Iterator[Chunk]:
    """The chunks that hold keys of ``[start, end)`` (None: open), ascending."""
    first = None if start is None else chunks_of(interval).start_of(start)
    lower, upper = documents.key_range(instrument.id, interval, first, end)
    batches = database[COVERAGE].find_raw_batches(
        {"_id": {"$gte": lower, "$lt": upper}},
        hint={"_id": ASCENDING},
        sort=[("_id", ASCENDING)],
        batch_size=10_000,
        session=session,
    )
    for document in documents.split(batches):
        yield _decode(document)


def read_one(
    database: Database[Document], session: ClientSession, instrument: Instrument, interval: Interval, start: int
) -> Chunk:
    """The chunk at ``start``, which may be empty."""
    return next(read(database, instrument, interval, start, start + 1, session=session), Chunk(start))


def versions(
    database: Database[Document], instrument: Instrument, interval: Interval, start: int, end: int
) -> dict[int, int]:
    """The version of every chunk that holds keys of ``[start, end)``, by its start."""
    lower, upper = documents.key_range(instrument.id, interval, chunks_of(interval).start_of(start), end)
    batches = database[COVERAGE].find_raw_batches(
        {"_id": {"$gte": lower, "$lt": upper}}, {"v": 1}, hint={"_id": ASCENDING}, batch_size=10_000
    )
    return {documents.open_time(found): bson.decode(found)["v"] for found in documents.split(batches)}


def write(
    database: Database[Document],
    session: ClientSession,
    instrument: Instrument,
    interval: Interval,
    chunks: Iterable[Chunk],
) -> None:
    """Put these chunks in the place of what is there."""
    writes = []
    for chunk in chunks:
        identity = documents.key(instrument.id, interval, chunk.start)
        writes.append(ReplaceOne({"_id": identity}, _encode(identity, chunk), upsert=True))
    if writes:
        database[COVERAGE].bulk_write(writes, ordered=False, session=session)


def write_known(
    database: Database[Document], session: ClientSession, instrument: Instrument, interval: Interval, chunk: Chunk
) -> None:
    """The same for a chunk of which no bar changed, but what is known of absent ones: ``noted`` of the series rises."""
    write(database, session, instrument, interval, [chunk])
    database[SERIES].update_one({"_id": series.identity(instrument, interval)}, {"$inc": {"noted": 1}}, session=session)


def note_stored(
    database: Database[Document],
    session: ClientSession,
    instrument: Instrument,
    interval: Interval,
    *,
    inserted: Iterable[int],
    replaced: Iterable[int],
) -> None:
    """In the transaction of these bars: bits for those that are new, a new version for every chunk that changed."""
    chunks = chunks_of(interval)
    new, changed = chunks.bits(inserted), chunks.bits(replaced)
    starts = sorted({*new, *changed})
    known = _these(database, session, instrument, interval, starts)
    for start in starts:
        known.setdefault(start, Chunk(start)).store(new.get(start, 0) | changed.get(start, 0))
    write(database, session, instrument, interval, known.values())


def _these(
    database: Database[Document],
    session: ClientSession,
    instrument: Instrument,
    interval: Interval,
    starts: list[int],
) -> dict[int, Chunk]:
    identities = documents.keys(instrument.id, interval, starts)
    found = database[COVERAGE].find_raw_batches({"_id": {"$in": identities}}, hint={"_id": ASCENDING}, session=session)
    return {chunk.start: chunk for chunk in map(_decode, documents.split(found))}

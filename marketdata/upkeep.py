"""What else changes a series than new bars: bars taken away, and bitmaps that no longer say what is stored."""

from __future__ import annotations

from datetime import UTC, datetime

from pymongo import ASCENDING, DESCENDING
from pymongo.client_session import ClientSession
from pymongo.database import Database

from domain.coverage import chunks_of
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import coverage_chunks, documents, series
from marketdata.collections import BARS, PACKED, SERIES, ensure
from marketdata.documents import instant
from marketdata.mongo import Document, unavailable
from marketdata.transact import transact


def delete(
    database: Database[Document], instrument: Instrument, interval: Interval, start: int | None, end: int | None
) -> int:
    """Take away the bars with keys in ``[start, end)``, a chunk at a time; returns how many there were."""

    chunks = chunks_of(interval)

    def work(session: ClientSession, at: int) -> int:
        lower = at if start is None else max(start, at)
        upper = at + chunks.length if end is None else min(end, at + chunks.length)
        keys = _stored_keys(database, session, instrument, interval, lower, upper)
        if not keys:
            return 0
        database[BARS].delete_many({"_id": {"$in": documents.keys(instrument.id, interval, keys)}}, session=session)
        chunk = coverage_chunks.read_one(database, session, instrument, interval, at)
        chunk.lose(chunks.bits(keys)[at])
        coverage_chunks.write(database, session, instrument, interval, [chunk])
        _recount(database, session, instrument, interval, -len(keys))
        return len(keys)

    about = f"{instrument.symbol} {interval}"
    starts = _chunk_starts(database, instrument, interval, start, end)
    return sum(transact(database, lambda s, at=at: work(s, at), about=about) for at in starts)  # type: ignore[misc]  # binds it


def verify(
    database: Database[Document], instrument: Instrument, interval: Interval, start: int | None, end: int | None
) -> int:
    """Make the bitmaps of the chunks in ``[start, end)`` say what is stored; returns how many bits were wrong."""
    ensure(database)
    chunks = chunks_of(interval)

    def work(session: ClientSession, chunk_start: int) -> int:
        keys = _stored_keys(database, session, instrument, interval, chunk_start, chunk_start + chunks.length)
        stored = chunks.bits(keys).get(chunk_start, 0)
        chunk = coverage_chunks.read_one(database, session, instrument, interval, chunk_start)
        wrong = stored ^ chunk.stored
        if wrong:
            lost, found = chunk.stored & wrong, stored & wrong
            chunk.lose(lost)
            chunk.store(found)
            coverage_chunks.write(database, session, instrument, interval, [chunk])
            # A chunk of which nothing was known counts its versions anew: an old copy could bear the same.
            copy = {"_id": documents.key(instrument.id, interval, chunk_start)}
            database[PACKED].delete_one(copy, session=session)
            _recount(database, session, instrument, interval, 0)
        return wrong.bit_count()

    about = f"{instrument.symbol} {interval}"
    starts = _chunk_starts(database, instrument, interval, start, end)
    wrong = sum(transact(database, lambda s, at=at: work(s, at), about=about) for at in starts)  # type: ignore[misc]  # as above
    if start is None and end is None:
        with unavailable():
            database[SERIES].update_one({"_id": series.identity(instrument, interval)}, {"$set": {"mapped": True}})
    return wrong


def bring_up(database: Database[Document], known: Document | None, instrument: Instrument, interval: Interval) -> None:
    """What was stored before there were bitmaps gets them now. ``known``: the series document, None if absent."""
    if known is not None and not known.get("mapped"):
        verify(database, instrument, interval, None, None)


def is_whole(
    database: Database[Document], instrument: Instrument, interval: Interval, start: int | None, end: int | None
) -> bool:
    """Whether as many bars are stored in the chunks of ``[start, end)`` as the bitmaps say: a tenth of ``verify``."""
    chunks = chunks_of(interval)
    lower = None if start is None else chunks.start_of(start)
    upper = None if end is None else chunks.start_of(end - 1) + chunks.length
    first, stop = documents.key_range(instrument.id, interval, lower, upper)
    there = {"_id": {"$gte": first, "$lt": stop}}
    with unavailable():
        known = coverage_chunks.read(database, instrument, interval, lower, upper)
        bits = sum(chunk.stored.bit_count() for chunk in known)
        return bits == database[BARS].count_documents(there, hint={"_id": ASCENDING})


def _chunk_starts(
    database: Database[Document], instrument: Instrument, interval: Interval, start: int | None, end: int | None
) -> list[int]:
    """Every chunk of the range that is known or holds a bar."""
    chunks = chunks_of(interval)
    with unavailable():
        known = {chunk.start for chunk in coverage_chunks.read(database, instrument, interval, start, end)}
        key = _next_key(database, instrument, interval, None if start is None else chunks.start_of(start))
        while key is not None and (end is None or key < end):
            known.add(chunks.start_of(key))
            key = _next_key(database, instrument, interval, chunks.start_of(key) + chunks.length)
    return sorted(known)


def _next_key(
    database: Database[Document], instrument: Instrument, interval: Interval, start: int | None
) -> int | None:
    return next(iter(_ends(database, None, instrument, interval, start, ASCENDING)), None)


def _ends(
    database: Database[Document],
    session: ClientSession | None,
    instrument: Instrument,
    interval: Interval,
    start: int | None,
    direction: int,
) -> list[int]:
    lower, upper = documents.key_range(instrument.id, interval, start, None)
    found = database[BARS].find_raw_batches(
        {"_id": {"$gte": lower, "$lt": upper}},
        hint={"_id": ASCENDING},
        sort=[("_id", direction)],
        limit=1,
        session=session,
    )
    return [documents.open_time(document) for document in documents.split(found)]


def _stored_keys(
    database: Database[Document],
    session: ClientSession,
    instrument: Instrument,
    interval: Interval,
    start: int,
    end: int,
) -> list[int]:
    lower, upper = documents.key_range(instrument.id, interval, start, end)
    found = database[BARS].find_raw_batches(
        {"_id": {"$gte": lower, "$lt": upper}},
        {"_id": 1},
        hint={"_id": ASCENDING},
        batch_size=10_000,
        session=session,
    )
    return [documents.open_time(document) for document in documents.split(found)]


def _recount(
    database: Database[Document], session: ClientSession, instrument: Instrument, interval: Interval, difference: int
) -> None:
    """Bring the series document in line after bars went; without ``difference`` its bars are counted anew."""
    name = {"_id": series.identity(instrument, interval)}
    firsts = _ends(database, session, instrument, interval, None, ASCENDING)
    lasts = _ends(database, session, instrument, interval, None, DESCENDING)
    if not firsts or not lasts:
        emptied: Document = {"$set": {"count": 0, "updated_at": datetime.now(UTC)}, "$inc": {"version": 1}}
        database[SERIES].update_one(name, emptied | ({"$unset": {"begun": 1}} if difference else {}), session=session)
        return
    changes: Document = {
        "$set": {"first": instant(firsts[0]), "last": instant(lasts[0]), "updated_at": datetime.now(UTC)},
        "$inc": {"version": 1, "count": difference},
    }
    if difference:  # meant to go: the series begins later now; what went behind our back is missing
        changes["$set"]["begun"] = instant(firsts[0])
    else:
        lower, upper = documents.key_range(instrument.id, interval, None, None)
        count = database[BARS].count_documents(
            {"_id": {"$gte": lower, "$lt": upper}}, hint={"_id": ASCENDING}, session=session
        )
        changes["$set"]["count"] = count
        changes["$inc"] = {"version": 1}
    database[SERIES].update_one(name, changes, session=session)

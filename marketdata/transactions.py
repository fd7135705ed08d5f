"""One transaction for a batch of a series: read the range, write the difference, raise the series document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import structlog
from pymongo import ASCENDING, ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from domain.errors import LeaseLost, StoreUnavailable
from domain.instrument import Instrument
from domain.interval import Interval
from domain.splits import Adjustment
from marketdata import adjustments, coverage_chunks, documents, series
from marketdata.adjustments import Scale
from marketdata.changes import Batch, Changes, Comparing, Stored
from marketdata.collections import BARS, REVISIONS, SERIES
from marketdata.documents import seconds
from marketdata.mongo import Document
from marketdata.transact import transact

_DUPLICATE_KEY = 11_000
# Keys further apart than this many nominal lengths are read as two ranges, so that a batch of two bars a year
# apart does not read the year between them.
_FAR_APART = 5_000
_LENGTHS = {interval: interval.seconds or 86_400 for interval in Interval}

log = structlog.get_logger(__name__)


def save(
    database: Database[Document], instrument: Instrument, interval: Interval, batch: Batch, *, fence: int | None = None
) -> tuple[int, int, int, int]:
    """Store ``batch`` (ascending, by epoch second); return inserted, replaced, unchanged and the series' version.

    ``fence``: the token of the writer's lease; LeaseLost if somebody with a later one has written meanwhile.

    Raises StoreUnavailable.
    """
    saved, split = transact(
        database,
        lambda session: _attempt(database, session, instrument, interval, batch, fence),
        about=f"{instrument.symbol} {interval}",
    )
    if split is not None:
        log.warning("split_found", symbol=instrument.symbol, interval=interval.value, **split._asdict())
    return saved


def _attempt(
    database: Database[Document],
    session: ClientSession,
    instrument: Instrument,
    interval: Interval,
    batch: Batch,
    fence: int | None,
) -> tuple[tuple[int, int, int, int], Adjustment | None]:
    """What ``save`` returns, and a split if one was found."""
    now = datetime.now(UTC)
    known = _series(database, session, instrument, interval)
    if fence is not None and known.get("fence", 0) > fence:
        raise LeaseLost(f"{instrument.symbol} {interval}: another process took this series over")
    stored = Stored(
        bars=_read(database, session, instrument, interval, batch),
        scale=Scale(adjustments.decode(known.get("adjustment", ()))),
        last=seconds(known["last"]) if known else batch[0][0],
        first_from=lambda key: _first_from(database, session, instrument, interval, key),
    )
    changes = Comparing(instrument, interval, batch, stored, now).changes()
    if not changes.inserts and not changes.replacements and changes.series.adjustments is None:
        return (0, 0, changes.unchanged, known.get("version", 0)), None
    _write(database, session, changes)
    coverage_chunks.note_stored(
        database, session, instrument, interval, inserted=changes.inserted, replaced=changes.replaced
    )
    found = database[SERIES].find_one_and_update(
        {"_id": series.identity(instrument, interval)},
        series.update(instrument, interval, changes.series, now, fence=fence, was_emptied=known.get("count") == 0),
        projection={"version": 1},
        upsert=True,
        return_document=ReturnDocument.AFTER,
        session=session,
    )
    split = changes.series.adjustments[-1] if changes.series.adjustments is not None else None
    version: int = found["version"]  # type: ignore[index]  # an upsert that returns the document after it
    return (len(changes.inserts), len(changes.replacements), changes.unchanged, version), split


def _read(
    database: Database[Document], session: ClientSession, instrument: Instrument, interval: Interval, batch: Batch
) -> dict[bytes, bytes]:
    """The stored documents within the batch's ranges, by ``_id``."""
    stored = {}
    for first, last in _ranges([moment for moment, _ in batch], _FAR_APART * _LENGTHS[interval]):
        lower, upper = documents.key_range(instrument.id, interval, first, last + 1)
        batches = database[BARS].find_raw_batches(
            {"_id": {"$gte": lower, "$lt": upper}}, hint={"_id": ASCENDING}, batch_size=10_000, session=session
        )
        for document in documents.split(batches):
            stored[documents.identity(document)] = document
    return stored


def _ranges(moments: Sequence[int], far: int) -> Iterator[tuple[int, int]]:
    """Ascending ``moments`` as ranges, both ends included, split where neighbours are further apart than ``far``."""
    first = last = moments[0]
    for moment in moments:
        if moment - last > far:
            yield first, last
            first = moment
        last = moment
    yield first, last


def _write(database: Database[Document], session: ClientSession, changes: Changes) -> None:
    if changes.inserts:
        # The bare command costs half of what insert_many does: our documents are encoded already.
        reply = database.command({"insert": BARS, "documents": changes.inserts, "ordered": False}, session=session)
        for error in reply.get("writeErrors", ()):
            if error["code"] == _DUPLICATE_KEY:
                raise DuplicateKeyError("inserted by another writer meanwhile")
            raise StoreUnavailable(f"MongoDB refused a bar: {error.get('errmsg', '')}"[:300])
    if changes.replacements:
        database[BARS].bulk_write(changes.replacements, ordered=False, session=session)
    if changes.revisions:
        database[REVISIONS].insert_many(changes.revisions, ordered=False, session=session)


def _series(
    database: Database[Document], session: ClientSession, instrument: Instrument, interval: Interval
) -> Document:
    """What a writer has to know of the series; empty if nothing was ever stored."""
    found = database[SERIES].find_one(
        {"_id": series.identity(instrument, interval)},
        projection={"version": 1, "fence": 1, "last": 1, "adjustment": 1, "count": 1},
        session=session,
    )
    return found or {}


def _first_from(
    database: Database[Document], session: ClientSession, instrument: Instrument, interval: Interval, key: int
) -> int | None:
    """The first stored key from ``key`` on."""
    lower, upper = documents.key_range(instrument.id, interval, key, None)
    found = database[BARS].find_raw_batches(
        {"_id": {"$gte": lower, "$lt": upper}},
        hint={"_id": ASCENDING},
        sort=[("_id", ASCENDING)],
        limit=1,
        session=session,
    )
    return next((documents.open_time(document) for document in documents.split(found)), None)

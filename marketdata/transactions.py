"""One transaction for a batch of a series: read the range, write the difference, raise the series document."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, ReplaceOne, ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern

from domain.bar import Bar, BarState
from domain.errors import LeaseLost, StoreUnavailable
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import coverage_chunks, documents, series
from marketdata.collections import BARS, REVISIONS, SERIES
from marketdata.decisions import SETTLED_SECONDS, Verdict, decide
from marketdata.mongo import ACKNOWLEDGED, Document, is_passing, unavailable
from marketdata.series import SeriesChange

ATTEMPTS = 12
_LONGEST_PAUSE_SECONDS = 0.25
_DUPLICATE_KEY = 11_000
# Keys further apart than this many nominal lengths are read as two ranges, so that a batch of two bars a year
# apart does not read the year between them.
_FAR_APART = 5_000
_LENGTHS = {interval: interval.seconds or 86_400 for interval in Interval}

Batch = Sequence[tuple[int, Bar]]


@dataclass(slots=True)
class _Plan:
    """The difference between a batch and what is stored."""

    change: SeriesChange
    inserts: list[RawBSONDocument] = field(default_factory=list)
    replacements: list[ReplaceOne[Document]] = field(default_factory=list)
    revisions: list[Document] = field(default_factory=list)
    inserted: list[int] = field(default_factory=list)  # keys, in epoch seconds
    replaced: list[int] = field(default_factory=list)
    unchanged: int = 0


def save(
    database: Database[Document], instrument: Instrument, interval: Interval, batch: Batch, *, fence: int | None = None
) -> tuple[int, int, int, int]:
    """Store ``batch`` (ascending, by epoch second); return inserted, replaced, unchanged and the series' version.

    ``fence``: the token of the writer's lease; LeaseLost if somebody with a later one has written meanwhile.

    A duplicate or a write conflict means that somebody else wrote the same series meanwhile: read again and
    repeat. Raises StoreUnavailable.
    """
    for attempt in range(ATTEMPTS):
        try:
            with unavailable(), database.client.start_session() as session:
                return _attempt(database, session, instrument, interval, batch, fence)
        except DuplicateKeyError:
            pass
        except PyMongoError as error:
            if not is_passing(error):
                raise
        # Those who collided would collide again if they came back together.
        time.sleep(random.random() * min(_LONGEST_PAUSE_SECONDS, 0.002 * 2**attempt))  # noqa: S311  # no secret
    raise StoreUnavailable(f"{instrument.symbol} {interval}: {ATTEMPTS} conflicts with other writers in a row")


def _attempt(
    database: Database[Document],
    session: ClientSession,
    instrument: Instrument,
    interval: Interval,
    batch: Batch,
    fence: int | None,
) -> tuple[int, int, int, int]:
    now = datetime.now(UTC)
    with session.start_transaction(read_concern=ReadConcern("snapshot"), write_concern=ACKNOWLEDGED):
        stored = _read(database, session, instrument, interval, batch)
        plan = _compare(instrument, interval, batch, stored, now)
        if not plan.inserts and not plan.replacements:
            return 0, 0, plan.unchanged, _version(database, session, instrument, interval)
        if fence is not None:
            _check_fence(database, session, instrument, interval, fence)
        _write(database, session, plan)
        coverage_chunks.note_stored(
            database, session, instrument, interval, inserted=plan.inserted, replaced=plan.replaced
        )
        found = database[SERIES].find_one_and_update(
            {"_id": series.identity(instrument, interval)},
            series.update(instrument, interval, plan.change, now, fence=fence),
            projection={"version": 1},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
    version: int = found["version"]  # type: ignore[index]  # an upsert that returns the document after it
    return len(plan.inserts), len(plan.replacements), plan.unchanged, version


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


def _compare(
    instrument: Instrument, interval: Interval, batch: Batch, stored: dict[bytes, bytes], now: datetime
) -> _Plan:
    plan = _Plan(SeriesChange(first=batch[0][0], last=batch[-1][0]))
    bars = [bar for _, bar in batch]
    keys = documents.keys(instrument.id, interval, [moment for moment, _ in batch])
    encoded = documents.encode_all(keys, bars, int(now.timestamp() * 1000))
    if not stored:
        plan.inserts = [RawBSONDocument(document) for document in encoded]
        plan.inserted = [moment for moment, _ in batch]
    else:
        for identity, (moment, bar), document in zip(keys, batch, encoded, strict=True):
            old = stored.get(identity)
            if old is None:
                plan.inserts.append(RawBSONDocument(document))
                plan.inserted.append(moment)
            elif documents.is_same(old, document):
                plan.unchanged += 1
            elif _replace(plan, identity, old, bar, volume_step=1 / instrument.lots_per_unit, now=now):
                plan.replaced.append(moment)
    plan.change.inserted = len(plan.inserts)
    return plan


def _replace(plan: _Plan, identity: bytes, old: bytes, bar: Bar, *, volume_step: float, now: datetime) -> bool:
    """Add to ``plan`` what becomes of the stored document ``old``; returns whether it is replaced."""
    row = documents.decode(old)
    is_settled = (now - bar.close_time).total_seconds() >= SETTLED_SECONDS
    verdict, bar = decide(row, bar, is_settled=is_settled, volume_step=volume_step)
    if verdict is Verdict.KEEP:
        plan.unchanged += 1
        return False
    revision = row.revision
    if verdict is Verdict.REVISE:
        revision += 1
        plan.revisions.append(documents.revised(old, revision=row.revision, replaced_at=now))
    if row.state is BarState.PROVISIONAL and bar.state is BarState.FINAL and not row.partial:
        plan.change.confirmed += verdict is Verdict.CONFIRM
        plan.change.corrected += verdict is not Verdict.CONFIRM
    document = documents.encode(identity, bar, int(now.timestamp() * 1000), revision=revision)
    plan.replacements.append(ReplaceOne({"_id": identity}, RawBSONDocument(document)))
    return True


def _write(database: Database[Document], session: ClientSession, plan: _Plan) -> None:
    if plan.inserts:
        # The bare command costs half of what insert_many does: our documents are encoded already.
        reply = database.command({"insert": BARS, "documents": plan.inserts, "ordered": False}, session=session)
        for error in reply.get("writeErrors", ()):
            if error["code"] == _DUPLICATE_KEY:
                raise DuplicateKeyError("inserted by another writer meanwhile")
            raise StoreUnavailable(f"MongoDB refused a bar: {error.get('errmsg', '')}"[:300])
    if plan.replacements:
        database[BARS].bulk_write(plan.replacements, ordered=False, session=session)
    if plan.revisions:
        database[REVISIONS].insert_many(plan.revisions, ordered=False, session=session)


def _check_fence(
    database: Database[Document], session: ClientSession, instrument: Instrument, interval: Interval, fence: int
) -> None:
    found = database[SERIES].find_one(
        {"_id": series.identity(instrument, interval)}, projection={"fence": 1}, session=session
    )
    if found and found.get("fence", 0) > fence:
        raise LeaseLost(f"{instrument.symbol} {interval}: another process took this series over")


def _version(database: Database[Document], session: ClientSession, instrument: Instrument, interval: Interval) -> int:
    found = database[SERIES].find_one(
        {"_id": series.identity(instrument, interval)}, projection={"version": 1}, session=session
    )
    return found["version"] if found else 0

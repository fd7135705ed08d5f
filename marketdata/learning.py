"""What is learned of bars that are absent: that the provider does not have them, or why they may be missing."""

from __future__ import annotations

from datetime import datetime

from pymongo.client_session import ClientSession
from pymongo.database import Database

from domain.coverage import Reason, chunks_of
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import coverage_chunks, series, upkeep
from marketdata.collections import SERIES, ensure
from marketdata.coverage_chunks import Chunk
from marketdata.documents import seconds
from marketdata.ledger_range import GRACE_SECONDS, expected_bars
from marketdata.mongo import Document, unavailable
from marketdata.transact import transact


def note_asked(
    database: Database[Document],
    instrument: Instrument,
    interval: Interval,
    start: datetime,
    end: datetime,
    *,
    asked_at: datetime,
    truncated_before: datetime | None = None,
    reason: str = "",
) -> int:
    """The provider answered completely for keys of ``[start, end)``: what is absent and closed two minutes before it
    was asked, it does not have. Returns how many bars that is. Raises StoreUnavailable.

    Where it does not reach back to ``start`` (``truncated_before``) only what is later counts; ``reason`` is kept.
    """
    ensure(database)
    upkeep.bring_up(database, series.find(database, instrument, interval), instrument, interval)
    is_cut = truncated_before is not None and Reason.NONE_AT_PROVIDER not in reason
    lower = seconds(max(start, truncated_before)) if is_cut and truncated_before else seconds(start)
    upper = min(seconds(end), seconds(asked_at))
    if truncated_before is not None:
        _note_truncated(database, instrument, interval, truncated_before, reason)
    closed_by = seconds(asked_at) - instrument.delay_seconds - GRACE_SECONDS
    expected = expected_bars(instrument.calendar, interval, lower, upper, closed_by)
    with unavailable():
        known = {one.start: one for one in coverage_chunks.read(database, instrument, interval, lower, upper)}
    absent = 0
    for chunk_start, bits in expected.bits.items():
        chunk = known.get(chunk_start, Chunk(chunk_start))
        absent += (bits & ~chunk.stored & ~chunk.settled).bit_count()
        if chunk.would_learn(bits, asked_at):
            _learn_absent(database, instrument, interval, chunk_start, bits, asked_at)
    return absent


def note_reason(
    database: Database[Document],
    instrument: Instrument,
    interval: Interval,
    start: datetime,
    end: datetime,
    reason: str,
) -> None:
    """Say why bars with keys in ``[start, end)`` may be missing, as far as they are; another ``end`` for the same
    ``start`` corrects what was said, within the chunks of the range. Raises StoreUnavailable.
    """
    ensure(database)
    upkeep.bring_up(database, series.find(database, instrument, interval), instrument, interval)

    def work(session: ClientSession, at: int) -> None:
        chunk = coverage_chunks.read_one(database, session, instrument, interval, at)
        if chunk.note(seconds(start), seconds(end), reason):
            coverage_chunks.write_known(database, session, instrument, interval, chunk)

    for at in chunks_of(interval).starts(seconds(start), seconds(end)):
        transact(database, lambda session, at=at: work(session, at), about=f"{instrument.symbol} {interval}")  # type: ignore[misc]  # binds it


def _learn_absent(
    database: Database[Document],
    instrument: Instrument,
    interval: Interval,
    at: int,
    wanted: int,
    asked_at: datetime,
) -> None:
    def work(session: ClientSession) -> None:
        chunk = coverage_chunks.read_one(database, session, instrument, interval, at)
        if chunk.would_learn(wanted, asked_at):
            chunk.learn_absent(wanted, asked_at)
            coverage_chunks.write_known(database, session, instrument, interval, chunk)

    transact(database, work, about=f"{instrument.symbol} {interval}")


def _note_truncated(
    database: Database[Document],
    instrument: Instrument,
    interval: Interval,
    truncated_before: datetime,
    reason: str,
) -> None:
    with unavailable():
        database[SERIES].update_one(
            {"_id": series.identity(instrument, interval)},
            {"$set": {"truncated_before": truncated_before, "truncated_reason": reason}},
        )

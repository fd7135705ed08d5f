"""Closed bars as they are read: one by one, as columns a piece at a time, or all at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DESCENDING
from pymongo.cursor import RawBatchCursor
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from domain.errors import NaiveTime, StoreUnavailable
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import adjustments, documents, series
from marketdata.adjustments import Scale
from marketdata.collections import BARS
from marketdata.documents import Row, seconds
from marketdata.mongo import Document, unavailable
from marketdata.replies import decode_reply
from marketdata.tables import Table, decode_table

BATCH = 5_000  # bars that are fetched together
_MOST_AT_ONCE = 20_000  # a single reply holds 16 MB; what is more would be left out without a word
_RAW = CodecOptions(document_class=RawBSONDocument)


class BarReader:
    """Blocking; safe to use from several processes and threads at once.

    Ranges are ``[start, end)`` of ``open_time`` (None: open). All bars lie on the present scale, whatever splits there
    were. Raises StoreUnavailable when MongoDB does not answer; whatever was asked may then be asked again.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._database = database

    def rows(
        self,
        instrument: Instrument,
        interval: Interval,
        start: datetime | None,
        end: datetime | None,
        *,
        limit: int | None = None,
        newest_first: bool = False,
        batch: int = BATCH,
    ) -> Iterator[Row]:
        """The same as ``between`` in plain values, without spans: several times cheaper. Like ``tables``."""
        tables = self.tables(instrument, interval, start, end, limit=limit, newest_first=newest_first, batch=batch)
        return (row for table in tables for row in table.rows())

    def tables(
        self,
        instrument: Instrument,
        interval: Interval,
        start: datetime | None,
        end: datetime | None,
        *,
        limit: int | None = None,
        newest_first: bool = False,
        batch: int = BATCH,
    ) -> Iterator[Table]:
        """The same as columns, in the order asked for, a piece at a time: for who reads thousands.

        All lie on the present scale, whatever splits there were. Raises StoreUnavailable if one is found while they
        are read.

        ``batch``: how many bars to fetch at once; few where only the first may be wanted.
        """
        if limit == 0:
            return
        batches = self._batches(self._question(instrument, interval, start, end, newest_first), limit, batch)
        scale: Scale | None = None
        with unavailable():
            for found in batches:
                # Read after the bars: so it knows of every split that they do.
                current = _scale(series.find(self._database, instrument, interval))
                if scale not in (None, current):
                    raise StoreUnavailable(f"{instrument.symbol} {interval}: a split was found just now; ask again")
                scale = current
                yield scale.read(decode_table(found))

    def table(
        self,
        instrument: Instrument,
        interval: Interval,
        start: datetime | None,
        end: datetime | None,
        *,
        limit: int,
        newest_first: bool = False,
    ) -> tuple[Table, Document | None]:
        """``tables`` all at once, and the document of the series as it was right after."""
        if limit > _MOST_AT_ONCE:
            tables = self.tables(instrument, interval, start, end, limit=limit, newest_first=newest_first)
            return Table.joined(list(tables)), series.find(self._database, instrument, interval)
        with unavailable():
            found = self._at_once(instrument, interval, start, end, limit, newest_first)
        known = series.find(self._database, instrument, interval)
        return _scale(known).read(found), known

    def _at_once(
        self,
        instrument: Instrument,
        interval: Interval,
        start: datetime | None,
        end: datetime | None,
        limit: int,
        newest_first: bool,
    ) -> Table:
        question = self._question(instrument, interval, start, end, newest_first)
        try:
            reply = self._database.command(
                {"find": BARS, **question, "limit": limit, "batchSize": limit, "singleBatch": True}, codec_options=_RAW
            ).raw
        except AutoReconnect:  # of a cursor, unlike of a command, the driver asks twice
            return Table.joined([*map(decode_table, self._batches(question, limit, limit))])
        return decode_reply(bytes(reply))

    def _question(
        self,
        instrument: Instrument,
        interval: Interval,
        start: datetime | None,
        end: datetime | None,
        newest_first: bool,
    ) -> Document:
        lower, upper = documents.key_range(instrument.id, interval, bound(start), bound(end))
        return {
            "filter": {"_id": {"$gte": lower, "$lt": upper}},
            # Beside a secondary index the planner would ignore the cluster: the hint keeps it on the range.
            "hint": {"_id": ASCENDING},
            "sort": {"_id": DESCENDING if newest_first else ASCENDING},
        }

    def _batches(self, question: Document, limit: int | None, batch: int) -> RawBatchCursor[Document]:
        return self._database[BARS].find_raw_batches(**question, limit=limit or 0, batch_size=batch)

    def key_at(
        self,
        instrument: Instrument,
        interval: Interval,
        start: datetime | None,
        end: datetime | None,
        *,
        position: int,
        newest_first: bool = False,
    ) -> int | None:
        """The key of the bar that follows ``position`` others in ``[start, end)``, from the end asked for.

        None if there are not that many. The bars that are passed over stay in the server.
        """
        question = self._question(instrument, interval, start, end, newest_first)
        with unavailable():
            batches = self._database[BARS].find_raw_batches(**question, skip=position, limit=1)
            return next((documents.open_time(document) for document in documents.split(batches)), None)


def _scale(known: Document | None) -> Scale:
    """The splits that the document of a series tells."""
    return Scale(adjustments.decode((known or {}).get("adjustment", ())))


def bound(moment: datetime | None) -> int | None:
    """Epoch second from which keys are included or excluded: a fraction of a second rounds up."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise NaiveTime(f"a time without a zone: {moment.isoformat()}; add Z or an offset")
    return seconds(moment) + (moment.microsecond > 0)

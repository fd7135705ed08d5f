"""Stored bars that the provider's history has not confirmed yet."""

from __future__ import annotations

from datetime import datetime

from pymongo import ASCENDING
from pymongo.database import Database

from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import documents
from marketdata.collections import BARS
from marketdata.documents import instant, seconds
from marketdata.mongo import Document, unavailable


def unconfirmed_from(
    database: Database[Document], instrument: Instrument, interval: Interval, start: datetime, end: datetime
) -> datetime | None:
    """The open time of the oldest provisional bar with a key in ``[start, end)``; None if there is none.

    The server looks through the range, which is a window of history at most. Raises StoreUnavailable.
    """
    lower, upper = documents.key_range(instrument.id, interval, seconds(start), seconds(end))
    with unavailable():
        batches = database[BARS].find_raw_batches(
            {"_id": {"$gte": lower, "$lt": upper}, "s": True},
            hint={"_id": ASCENDING},
            sort=[("_id", ASCENDING)],
            limit=1,
        )
        found = next(documents.split(batches), None)
    return instant(documents.open_time(found)) if found else None

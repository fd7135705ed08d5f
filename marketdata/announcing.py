"""Splits that were found are told to whoever listens, once the bars' transaction is over.

That they have been told is kept with the series, so a process that ends in between leaves it to the next one.
"""

from __future__ import annotations

import structlog
from pymongo.database import Database

from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import adjustments, series
from marketdata.collections import SERIES
from marketdata.mongo import Document, unavailable
from marketdata.signals import split_found

_WANTED = {"symbol": 1, "interval": 1, "adjustment": 1}

log = structlog.get_logger(__name__)


def announce(database: Database[Document], instrument: Instrument, interval: Interval) -> bool:
    """Tell ``split_found`` if this series has a split that was not told; whether it had. Raises StoreUnavailable."""
    with unavailable():
        found = database[SERIES].find_one({"_id": series.identity(instrument, interval), "announced": False}, _WANTED)
    return found is not None and _tell(database, found)


def announce_all(database: Database[Document]) -> int:
    """The same for all series: what others have left. Returns how many. Raises StoreUnavailable."""
    with unavailable():
        waiting = list(database[SERIES].find({"announced": False}, _WANTED))
    return sum(_tell(database, found) for found in waiting)


def _tell(database: Database[Document], found: Document) -> bool:
    split = adjustments.decode(found["adjustment"])[-1]
    symbol, interval = found["symbol"], Interval(found["interval"])
    answers = split_found.send_robust(sender="marketdata", symbol=symbol, interval=interval, split=split)
    if failed := [str(answer) for _, answer in answers if isinstance(answer, Exception)]:
        log.warning("split_not_announced", symbol=symbol, interval=interval.value, reason="; ".join(failed))
        return False  # the next sweep tells it again
    # Unless it has become another one meanwhile, which is to be told too.
    with unavailable():
        same = {"_id": found["_id"], "adjustment": found["adjustment"]}
        database[SERIES].update_one(same, {"$set": {"announced": True}})
    return True

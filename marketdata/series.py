"""A series at rest: one document for each symbol at an interval, changed in the transactions of its bars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.documents import instant

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What is stored of one symbol at one interval.

    ``first`` and ``last`` are the open times of its outermost bars. ``version`` rises with every change; together
    with ``born``, which differs if the store was emptied in between, it names a state of the data for caches and
    ETags. Of the bars that we closed ourselves and that were whole, ``confirmed`` proved equal to the provider's
    history, ``corrected`` did not.
    """

    symbol: str
    interval: Interval
    first: datetime
    last: datetime
    count: int
    version: int
    born: str
    confirmed: int
    corrected: int
    updated_at: datetime

    @property
    def data_version(self) -> str:
        return f"{self.born}-{self.version:x}"


@dataclass(slots=True)
class SeriesChange:
    """What one transaction does to a series; times in epoch seconds."""

    first: int
    last: int
    inserted: int = 0
    confirmed: int = 0
    corrected: int = 0


def identity(instrument: Instrument, interval: Interval) -> str:
    """``_id`` of the series document: the registry's id, since a symbol may be renamed."""
    return f"{instrument.id}:{interval.value}"


def update(
    instrument: Instrument, interval: Interval, change: SeriesChange, now: datetime, *, fence: int | None = None
) -> Document:
    """The update that records ``change`` and raises the version; the document is made if absent.

    ``fence``: the token of the writer's lease. ``mapped``: every bar has its bit in the coverage.
    """
    fenced = {} if fence is None else {"fence": fence}
    return {
        "$inc": {
            "version": 1,
            "count": change.inserted,
            "confirmed": change.confirmed,
            "corrected": change.corrected,
        },
        "$min": {"first": instant(change.first)},
        "$max": {"last": instant(change.last)},
        "$set": {"symbol": instrument.symbol, "interval": interval.value, "updated_at": now, **fenced},
        "$setOnInsert": {"born": ObjectId(), "mapped": True},
    }


def parse(document: Document) -> Series:
    return Series(
        symbol=document["symbol"],
        interval=Interval(document["interval"]),
        first=document["first"].astimezone(UTC),
        last=document["last"].astimezone(UTC),
        count=document["count"],
        version=document["version"],
        born=str(document["born"]),
        confirmed=document["confirmed"],
        corrected=document["corrected"],
        updated_at=document["updated_at"].astimezone(UTC),
    )

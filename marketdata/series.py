"""A series at rest: one document for each symbol at an interval, changed in the transactions of its bars."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from bson import ObjectId
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import adjustments, fidelity
from marketdata.adjustments import Adjustments
from marketdata.collections import SERIES
from marketdata.documents import instant
from marketdata.fidelity import Comparison, Fidelity
from marketdata.mongo import Document, unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What is stored of one symbol at one interval.

    ``first`` and ``last`` are the open times of its outermost bars. ``version`` rises with every change; together
    with ``born``, which differs if the store was emptied in between, it names a state of the data for caches and
    ETags. ``fidelity``: how well the bars that we closed ourselves agreed with the provider's history.
    ``unconfirmed``: no bar that history has not confirmed is older; None if there is none at all. ``noted`` rises with
    what is known of bars that are absent, which no version tells.
    """

    symbol: str
    interval: Interval
    first: datetime
    last: datetime
    count: int
    version: int
    born: str
    updated_at: datetime
    fidelity: Fidelity
    adjustments: Adjustments = ()
    unconfirmed: datetime | None = None
    noted: int = 0

    @property
    def data_version(self) -> str:
        return f"{self.born}-{self.version:x}-{self.noted:x}"


@dataclass(slots=True)
class SeriesChange:
    """What one transaction does to a series; times in epoch seconds.

    ``unconfirmed``: the first bar written that history has not told. ``adjustments``: all splits, if one was found.
    """

    first: int
    last: int
    inserted: int = 0
    unconfirmed: int | None = None
    adjustments: Adjustments | None = None
    comparison: Comparison = field(default_factory=Comparison)


def identity(instrument: Instrument, interval: Interval) -> str:
    """``_id`` of the series document: the registry's id, since a symbol may be renamed."""
    return f"{instrument.id}:{interval.value}"


def find(database: Database[Document], instrument: Instrument, interval: Interval) -> Document | None:
    """The series document; None if nothing ever was stored. Raises StoreUnavailable."""
    question = {"_id": identity(instrument, interval)}
    with unavailable():
        try:
            # Asked at every look at bars: without a cursor it costs a third less.
            command = {"find": SERIES, "filter": question, "limit": 1, "singleBatch": True}
            reply = database.command(command, codec_options=database.codec_options)
        except AutoReconnect:  # which the driver would try again for a cursor
            return database[SERIES].find_one(question)
    return next(iter(reply["cursor"]["firstBatch"]), None)


def update(
    instrument: Instrument,
    interval: Interval,
    change: SeriesChange,
    now: datetime,
    *,
    fence: int | None = None,
    was_emptied: bool = False,
) -> Document:
    """The update that records ``change`` and raises the version; the document is made if absent.

    ``fence``: the token of the writer's lease. ``was_emptied``: all bars were deleted, so that where they began and
    ended no longer counts. ``mapped``: every bar has its bit in the coverage.
    """
    values: Document = {"symbol": instrument.symbol, "interval": interval.value, "updated_at": now}
    if fence is not None:
        values["fence"] = fence
    if change.adjustments is not None:
        values |= {"adjustment": adjustments.encode(change.adjustments), "announced": False}
    unconfirmed = {} if change.unconfirmed is None else {"unconfirmed": instant(change.unconfirmed)}
    # `begun` stays where bars are taken away behind our back: see upkeep.
    first = {"first": instant(change.first), "begun": instant(change.first)}
    last = {"last": instant(change.last)}
    if was_emptied:
        values |= first | last
        first = last = {}
    return {
        "$inc": {"version": 1, "count": change.inserted, **change.comparison.increments()},
        "$min": first | unconfirmed,
        "$max": last | change.comparison.maxima(),
        "$set": values,
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
        updated_at=document["updated_at"].astimezone(UTC),
        fidelity=fidelity.parse(document),
        adjustments=adjustments.decode(document.get("adjustment", ())),
        unconfirmed=document["unconfirmed"].astimezone(UTC) if "unconfirmed" in document else None,
        noted=document.get("noted", 0),
    )

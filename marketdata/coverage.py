"""How complete series are, for pages, API and commands alike: a matrix of many, one of them day by day, and gaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pymongo.database import Database

from domain.coverage import Hole
from domain.interval import Interval
from marketdata.collections import SERIES
from marketdata.documents import instant
from marketdata.ledger import Coverage, CoverageLedger, DayCoverage
from marketdata.mongo import Document, database, unavailable
from marketdata.series import Series, identity, parse
from providers.base import Capabilities
from symbols.models import Symbol
from symbols.sources import provider_named

_MOST_GAPS = 100_000  # of a series: the oldest are lost first, so none may be left out unsaid
_FAR = datetime(9999, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_STEP_DAYS = {Interval.W1: 7, Interval.MN1: 31}


class SeriesCoverage(NamedTuple):
    """One series: what the ledger says, and what is stored of it (None: nothing ever was)."""

    symbol: Symbol
    interval: Interval
    coverage: Coverage
    series: Series | None


class Gap(NamedTuple):
    symbol: Symbol
    interval: Interval
    hole: Hole


def capabilities_of(provider: str) -> Capabilities:
    """What a provider can do; it is not connected to. Raises InvalidRequest if there is no such provider."""
    return provider_named(provider).capabilities


def covered(
    symbols: Iterable[Symbol],
    intervals: Iterable[Interval],
    *,
    now: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    verifies: bool = False,
    lists_holes: bool = False,
) -> Iterator[SeriesCoverage]:
    """Each series in the range ``[start, end)`` of keys; without ``start`` from its first bar on, until ``now``.

    ``verifies``: the bitmaps are compared with the stored bars first. Raises StoreUnavailable.
    """
    store, wanted, of = database(), list(intervals), list(symbols)
    ledger, windows = CoverageLedger(store), _windows(of)
    if verifies:
        for symbol in of:
            for interval in wanted:
                ledger.verify(symbol.instrument(), interval, start, end)
    known = _known(store, of, wanted)
    for symbol in of:
        instrument = symbol.instrument()
        for interval in wanted:
            document = known.get(identity(instrument, interval))
            found = ledger.coverage_of(
                document,
                instrument,
                interval,
                start,
                end or now,
                now=now,
                window_bars=windows[symbol.provider],
                lists_holes=lists_holes,
            )
            yield SeriesCoverage(symbol, interval, found, parse(document) if document else None)


def _windows(symbols: Iterable[Symbol]) -> dict[str, int | None]:
    """How many bars back each of their providers goes."""
    return {provider: capabilities_of(provider).window_bars for provider in {symbol.provider for symbol in symbols}}


def _known(store: Database[Document], symbols: list[Symbol], intervals: list[Interval]) -> dict[str, Document]:
    """The series documents, by identity, in one question."""
    names = [identity(symbol.instrument(), interval) for symbol in symbols for interval in intervals]
    with unavailable():
        return {document["_id"]: document for document in store[SERIES].find({"_id": {"$in": names}})}


def strip(
    found: SeriesCoverage, most: int, *, now: datetime, start: datetime | None = None, end: datetime | None = None
) -> tuple[datetime, list[DayCoverage]]:
    """The last ``most`` UTC days of a series in ``[start, end)``, and from when on; weeks and months at 1w and 1M.

    Without ``start`` from the first bar on, without ``end`` until ``now``. Days without an expected bar are left out.
    """
    last = min(end or now, now)
    first = start or (found.series.first if found.series else last)
    begins = min(max(first, _days_before(last, most * _STEP_DAYS.get(found.interval, 1))), last)
    ledger = CoverageLedger(database())
    return begins, ledger.days(found.symbol.instrument(), found.interval, begins, last, now=now)


def _days_before(moment: datetime, count: int) -> datetime:
    """The start of the UTC day ``count - 1`` days before that of ``moment``: with it, ``count`` days."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=count - 1) if count <= day.toordinal() else _EARLIEST


def gaps(
    symbols: Iterable[Symbol],
    intervals: Iterable[Interval],
    *,
    now: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    verifies: bool = False,
) -> list[Gap]:
    """All that is missing, what can be had for the shortest time first, what cannot be had any more last."""
    chosen, wanted = list(symbols), list(intervals)
    sums = covered(chosen, wanted, now=now, start=start, end=end, verifies=verifies)
    lacking = [(each.symbol, each.interval) for each in sums if each.coverage.missing]
    ledger, windows, holes = CoverageLedger(database()), _windows(chosen), []
    for symbol, interval in lacking:
        found = ledger.coverage(
            symbol.instrument(),
            interval,
            start,
            end or now,
            now=now,
            window_bars=windows[symbol.provider],
            most_holes=_MOST_GAPS,
        )
        holes += [Gap(symbol, interval, hole) for hole in found.holes]
    return sorted(holes, key=lambda gap: (gap.hole.recoverable_until or _FAR, gap.symbol.code, gap.hole.start))


def coverage_values(found: SeriesCoverage) -> dict[str, Any]:
    """As the API and ``--json`` write it."""
    coverage, series = found.coverage, found.series
    return {
        "symbol": found.symbol.code,
        "interval": found.interval.value,
        "start": instant(coverage.start) if series else None,
        "end": instant(coverage.end) if series else None,
        "expected": coverage.expected,
        "stored": coverage.stored,
        "none_at_provider": coverage.empty,
        "missing": coverage.missing,
        "unexpected": coverage.extra,
        "share": coverage.share,
        "first": series.first if series and series.count else None,
        "last": series.last if series and series.count else None,
        "bars": series.count if series else 0,
        "data_version": series.data_version if series else None,
    }


def hole_values(hole: Hole) -> dict[str, Any]:
    return {
        "start": instant(hole.start),
        "end": instant(hole.end),
        "bars": hole.bars,
        "reason": hole.reason.value,
        "recoverable_until": hole.recoverable_until,
        "detail": hole.detail,
    }


def gap_values(gap: Gap) -> dict[str, Any]:
    return {"symbol": gap.symbol.code, "interval": gap.interval.value, **hole_values(gap.hole)}


def day_values(day: DayCoverage) -> dict[str, Any]:
    return {
        "date": f"{instant(day.day):%Y-%m-%d}",
        "expected": day.expected,
        "stored": day.stored,
        "none_at_provider": day.empty,
    }

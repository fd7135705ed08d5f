"""Bulk reads for research: a series as NumPy columns, in the process that asks.

::

    from marketdata.arrays import arrays

    bars = arrays("NASDAQ:AAPL", "1m", start, end)
    bars.close[bars.final]
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils import timezone

from domain.errors import NaiveTime
from domain.interval import Interval
from marketdata.mongo import database
from marketdata.packed import arrays_of
from marketdata.packing import Columns
from symbols.models import Symbol
from symbols.services import normal_code

__all__ = ["Columns", "arrays"]

_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


def arrays(symbol: str, interval: str, start: datetime | None = None, end: datetime | None = None) -> Columns:
    """The stored closed bars of ``symbol`` whose ``open_time`` is in ``[start, end)``; None is open.

    Raises UnknownSymbol, UnsupportedInterval, NaiveTime, StoreUnavailable.
    """
    for moment in (start, end):
        if moment is not None and moment.tzinfo is None:
            raise NaiveTime(f"a time without a zone: {moment.isoformat()}; give it one, for example UTC")
    instrument = Symbol.objects.with_code(normal_code(symbol)).instrument()
    return arrays_of(database(), instrument, Interval.parse(interval), start or _FIRST, end or _LAST, timezone.now())

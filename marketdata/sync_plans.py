"""Plans of many series at once, for those who want to see them before anything is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from domain.interval import Interval
from marketdata.mongo import database
from marketdata.plan import SeriesPlan
from marketdata.services import SeriesSync
from providers.base import Provider
from symbols.models import Symbol
from symbols.sources import provider_named


def plans(
    series: Iterable[tuple[Symbol, Interval]], start: datetime | None, end: datetime | None, *, missing_only: bool
) -> Iterator[SeriesPlan]:
    """What a sync of each series would ask for. Providers are not connected to: their windows are known.

    Raises StoreUnavailable, UnknownCalendar, InvalidRequest for a provider that does not exist.
    """
    providers: dict[str, Provider] = {}
    store = database()
    for symbol, interval in series:
        provider = providers.get(symbol.provider) or providers.setdefault(
            symbol.provider, provider_named(symbol.provider)
        )
        sync = SeriesSync(instrument=symbol.instrument(), interval=interval, provider=provider, database=store)
        yield sync.plan(start, end, missing_only=missing_only)

"""History: provider -> bars -> repository."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from domain.bar import Bar
from domain.calendars import get_calendar
from domain.errors import UnknownCalendar
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.documents import instant, seconds
from marketdata.repository import BarRepository, SaveResult
from marketdata.signals import bars_synced
from marketdata.spans import nominal
from providers.base import Provider

FIRST_BARS = 1_000  # what a chart shows when it opens


class SyncResult(NamedTuple):
    """What a sync did, in bars, and the open times of the outermost bars that the provider served."""

    inserted: int = 0
    replaced: int = 0
    unchanged: int = 0
    version: int = 0
    first: datetime | None = None
    last: datetime | None = None

    @property
    def is_changed(self) -> bool:
        return self.inserted + self.replaced > 0


def sync_bars(
    *,
    instrument: Instrument,
    interval: Interval,
    start: datetime,
    end: datetime,
    provider: Provider,
    repository: BarRepository,
) -> SyncResult:
    """Store the provider's closed bars whose ``open_time`` is in ``[start, end)``; tell ``bars_synced`` of changes.

    Safe to repeat: what is stored and equal is not written. The oldest page is stored first, so that a sync that
    is cut short leaves no hole below what it stored. Raises ProviderError, UnsupportedInterval, StoreUnavailable.
    """
    saved, first, last = SaveResult(), None, None
    for page in _oldest_first(provider.fetch_bars(instrument, interval, start, end)):
        saved = saved.plus(repository.save(instrument, interval, page))
        first, last = first or page[0].open_time, page[-1].open_time
    result = SyncResult(*saved, first, last)
    if result.is_changed:
        bars_synced.send_robust(
            sender="marketdata", symbol=instrument.symbol, interval=interval, first=first, last=last
        )
    return result


def _oldest_first(pages: Iterator[list[Bar]]) -> list[list[Bar]]:
    """Whole pages by time: providers may page backwards. A window of history is small enough to hold."""
    return sorted((page for page in pages if page), key=lambda page: page[0].open_time)


def sync_latest(
    *, instrument: Instrument, interval: Interval, now: datetime, provider: Provider, repository: BarRepository
) -> SyncResult:
    """Bring a series up to date: from its last final bar, or the newest 1,000 bars where none is stored, to ``now``.

    The last final bar is asked for again: it costs nothing, and a provider that corrected it is noticed.
    """
    start = repository.last_final(instrument, interval)
    if start is None:
        start = lookback(instrument.calendar, interval, FIRST_BARS, now)
    return sync_bars(
        instrument=instrument, interval=interval, start=start, end=now, provider=provider, repository=repository
    )


def lookback(calendar_name: str, interval: Interval, bars: int, now: datetime) -> datetime:
    """From when on a market has had about ``bars`` bars until ``now``; more where its calendar is not known."""
    end = seconds(now)
    _, one_later = nominal(interval, 0)
    length = one_later if interval is not Interval.MN1 else 31 * 86_400
    if calendar_name == "24/7":
        return instant(end - (bars + 1) * length)
    # The shortest trading days last four hours of 24, five days of seven; holidays are allowed for by a fortnight.
    reach = bars * length * (9 if interval.is_intraday else 1) + (14 * 86_400 if interval.is_intraday else 0)
    if interval is Interval.D1:
        reach = reach * 3 // 2 + 14 * 86_400
    start = end - reach
    try:
        keys = [window.key for window in get_calendar(calendar_name).windows(interval, start, end)]
    except UnknownCalendar:
        return instant(start)
    return instant(keys[-bars] if len(keys) >= bars else start)

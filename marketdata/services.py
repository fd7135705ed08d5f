"""History: provider -> bars -> repository."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from domain.bar import Bar, BarState
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
    """Bring a series up to ``now``: from where it stops being final, or the newest 1,000 bars if none is stored."""
    start = unsettled_from(instrument=instrument, interval=interval, now=now, repository=repository)
    if start is None:
        start = lookback(instrument.calendar, interval, FIRST_BARS, now)
    return sync_bars(
        instrument=instrument, interval=interval, start=start, end=now, provider=provider, repository=repository
    )


def unsettled_from(
    *, instrument: Instrument, interval: Interval, now: datetime, repository: BarRepository
) -> datetime | None:
    """The open time of the first bar among the newest 1,000 that history has not told us; None if nothing is stored.

    That is a hole or a provisional bar, wherever it lies: a minute healed by itself may be newer than the hole that
    an outage left. If there is none it is the newest bar, which is asked for again: that costs nothing, and a
    provider that corrected it is noticed. In a thin market minutes without trades are asked for again too.
    """
    rows = list(repository.rows(instrument, interval, None, None, limit=FIRST_BARS, newest_first=True))
    if not rows:
        return None
    settled = {row.open_time for row in rows if row.state is BarState.FINAL}
    newest, oldest = rows[0].open_time, rows[-1].open_time
    try:
        expected = get_calendar(instrument.calendar).windows(interval, oldest, seconds(now))
        first = next((window.key for window in expected if window.key not in settled), newest)
    except UnknownCalendar:
        first = max(settled, default=oldest)
    return instant(min(first, newest))


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

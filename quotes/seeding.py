"""What the fold has not heard comes from history: the parents' closed parts, and minutes that were heard in part.

The minute in progress is never taken from history. It is folded from its first tick on, marked partial, and replaced
after it has closed; then the parents are seeded again through it. Own store first, then the provider.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import structlog

from domain.aggregation import HistoryRange
from domain.bar import Bar
from domain.calendars import get_calendar
from domain.errors import StoreUnavailable, UnsupportedInterval
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.repository import BarRepository
from providers.base import Provider

log = structlog.get_logger(__name__)


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def closed_bars(
    instrument: Instrument, wanted: Iterable[HistoryRange], *, repository: BarRepository | None, provider: Provider
) -> list[Bar]:
    """The closed bars of these ranges. Blocking. Raises ProviderError where the store does not have them all."""
    found: list[Bar] = []
    for part in wanted:
        stored = _stored(instrument, part, repository)
        found += stored if _is_whole(instrument, part, stored) else _served(instrument, part, stored, provider)
    return found


def healing_bars(
    instrument: Instrument, minutes: Iterable[int], *, now: int, provider: Provider
) -> dict[Interval, list[Bar]]:
    """What history has in the place of these minutes (epoch seconds) and of the longer bars over them that have ended.

    Blocking. Raises ProviderError.
    """
    calendar = get_calendar(instrument.calendar)
    found: dict[Interval, list[Bar]] = {}
    for interval in Interval:
        windows = {calendar.window(interval, minute) for minute in minutes}
        keys = [window.key for window in windows if window is not None and window.end <= now]
        if not keys:
            continue
        try:
            pages = provider.fetch_bars(instrument, interval, moment(min(keys)), moment(max(keys) + 1))
            bars = [bar for page in pages for bar in page if int(bar.open_time.timestamp()) in set(keys)]
        except UnsupportedInterval:
            continue  # such bars are rolled up from minutes
        if bars:
            found[interval] = bars
    return found


def _stored(instrument: Instrument, part: HistoryRange, repository: BarRepository | None) -> list[Bar]:
    if repository is None:
        return []
    try:
        bars = repository.between(instrument, part.interval, moment(part.start), moment(part.end))
    except StoreUnavailable as error:
        log.info("seeding_without_store", symbol=instrument.symbol, reason=str(error))
        return []
    return [bar for bar in bars if not bar.partial]


def _is_whole(instrument: Instrument, part: HistoryRange, bars: list[Bar]) -> bool:
    """Whether no expected bar is absent. A thin market has minutes without trades: then history is asked."""
    expected = get_calendar(instrument.calendar).windows(part.interval, part.start, part.end)
    return {window.key for window in expected} <= {int(bar.open_time.timestamp()) for bar in bars}


def _served(instrument: Instrument, part: HistoryRange, stored: list[Bar], provider: Provider) -> list[Bar]:
    """The provider's bars; of our own only what it does not (yet) have."""
    bars = {bar.open_time: bar for bar in stored}
    try:
        for page in provider.fetch_bars(instrument, part.interval, moment(part.start), moment(part.end)):
            bars |= {bar.open_time: bar for bar in page}
    except UnsupportedInterval:
        if part.interval is Interval.M1:
            raise
        # Where the provider's hours lie on another grid than ours, minutes take their place.
        return _served(instrument, part._replace(interval=Interval.M1), [], provider)
    return [bars[key] for key in sorted(bars)]

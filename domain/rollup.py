"""Coarse bars from fine ones, where there are no ticks: imported minutes, intervals that a provider does not serve."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby

from domain.bar import Bar, BarSource, BarState
from domain.calendars import Calendar
from domain.interval import Interval
from domain.spans import Window


def roll_up(bars: Sequence[Bar], interval: Interval, calendar: Calendar) -> list[Bar]:
    """The ``interval`` bars that ``bars`` (of one symbol and one finer interval, ascending) make; ascending.

    Bars outside every window of ``interval`` (early and late hours, for days) belong to none. Volumes are summed
    exactly and rounded once. What is made of a provisional bar is provisional. ``partial`` marks a window of which some
    bar is partial, or which reaches beyond the first or the last bar: what is missing in between cannot be told from
    minutes without a trade, and is taken for those. Raises ValueError if ``interval`` is not coarser, UnknownCalendar
    where the calendar does not reach.
    """
    if not bars:
        return []
    if not any(interval is coarser for coarser in ancestors(bars[0].interval)):
        raise ValueError(f"{interval} bars are not made of {bars[0].interval} bars")
    begun, ended = bars[0].starts_at, bars[-1].close_time
    placed = [
        (window, bar) for bar in bars if (window := calendar.window(interval, _second(bar.starts_at))) is not None
    ]
    return [
        _joined([bar for _, bar in group], window, interval, begun, ended)
        for window, group in groupby(placed, key=lambda pair: pair[0])
    ]


def ancestors(interval: Interval) -> list[Interval]:
    """The intervals whose bars are made of whole ``interval`` bars, finest first."""
    found = [interval]
    for coarser in Interval:
        if coarser.child in found:
            found.append(coarser)
    return found[1:]


def _joined(bars: Sequence[Bar], window: Window, interval: Interval, begun: datetime, ended: datetime) -> Bar:
    first, last = bars[0], bars[-1]
    starts_at, close_time = _instant(window.start), _instant(window.end)
    return Bar(
        first.symbol,
        interval,
        _instant(window.key),
        starts_at,
        close_time,
        first.open,
        max(bar.high for bar in bars),
        min(bar.low for bar in bars),
        last.close,
        math.fsum(bar.volume for bar in bars),
        _trades(bars),
        BarState.FINAL if all(bar.state is BarState.FINAL for bar in bars) else BarState.PROVISIONAL,
        BarSource.ROLLUP,
        starts_at < begun or close_time > ended or any(bar.partial for bar in bars),
    )


def _trades(bars: Iterable[Bar]) -> int | None:
    total = 0
    for bar in bars:
        if bar.trades is None:
            return None
        total += bar.trades
    return total


def _second(moment: datetime) -> int:
    return int(moment.timestamp())


def _instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)

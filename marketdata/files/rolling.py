"""Coarser bars from the bars of files, together with what is stored beside them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from operator import attrgetter

from msgspec.structs import replace

from domain.bar import Bar
from domain.interval import Interval
from domain.rollup import ancestors, roll_up
from domain.spans import Window
from marketdata.decisions import Verdict, decide
from marketdata.documents import Row, instant, seconds
from marketdata.files.changes import Series
from marketdata.files.drafts import Draft
from marketdata.repository import BarRepository


def rolled_up(repository: BarRepository, draft: Draft, *, now: datetime) -> Iterator[Series]:
    """For each coarser interval the bars that hold a bar of ``draft``, as they are once it is imported.

    They are made of all that is stored within their windows by then: files may come a day at a time, or mend a minute.
    A window of which a row was bad is ``partial``; one that has not closed by ``now`` makes no bar. Raises
    StoreUnavailable, and UnknownCalendar where the calendar does not reach.
    """
    bars = draft.bars
    windows = {
        interval: _windows(draft, interval, (seconds(bar.starts_at) for bar in bars))
        for interval in ancestors(draft.interval)
    }
    known = [found for found in windows.values() if found]
    if not known:
        return
    first, last = min(found[0].start for found in known), max(found[-1].end for found in known)
    fine = _imported(repository, draft, bars, instant(first), instant(last))
    bad = [moment for moment in draft.lacking if first <= moment < last]
    for interval, found in windows.items():
        lacking = {window.start for window in _windows(draft, interval, bad)}
        within = _between(fine, instant(found[0].start), instant(found[-1].end)) if found else []
        wanted = {window.start for window in found if window.end <= seconds(now)}
        made = [bar for bar in roll_up(within, interval, draft.calendar) if seconds(bar.starts_at) in wanted]
        marked = [replace(bar, partial=True) if seconds(bar.starts_at) in lacking else bar for bar in made]
        yield Series(draft.instrument, interval, marked)


def _windows(draft: Draft, interval: Interval, moments: Iterable[int]) -> list[Window]:
    """The windows that hold these moments, ascending; those outside every session are in none."""
    found = {draft.calendar.window(interval, moment) for moment in moments}
    return sorted(window for window in found if window is not None)


def _imported(repository: BarRepository, draft: Draft, bars: list[Bar], start: datetime, end: datetime) -> list[Bar]:
    """What will be stored with spans in ``[start, end)`` when ``bars`` have been imported, ascending."""
    step = 1 / draft.instrument.lots_per_unit
    by_key = {bar.open_time: bar for bar in bars}
    # A key may lie a day before its span.
    for old in repository.between(draft.instrument, draft.interval, start - timedelta(days=1), end):
        bar = by_key.get(old.open_time)
        if bar is None or decide(_row(old), bar, is_settled=True, volume_step=step).verdict is Verdict.KEEP:
            by_key[old.open_time] = old
    return _between(sorted(by_key.values(), key=attrgetter("starts_at")), start, end)


def _between(bars: list[Bar], start: datetime, end: datetime) -> list[Bar]:
    places = (bisect_left(bars, moment, key=attrgetter("starts_at")) for moment in (start, end))
    return bars[slice(*places)]


def _row(bar: Bar) -> Row:
    values = (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades, bar.state, bar.source, bar.partial)
    return Row(seconds(bar.open_time), *values)

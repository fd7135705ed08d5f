"""Answers that draw on several stores: bars of some symbols, and how complete they are."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from domain.bar import BarState
from domain.instrument import Instrument
from marketdata.completeness import Missing, completeness
from marketdata.documents import Row, instant
from marketdata.query import BarsQuery
from marketdata.repository import BarRepository


class Found(NamedTuple):
    """A bar and the position of its symbol in the question."""

    position: int
    row: Row

    @property
    def place(self) -> tuple[int, int]:
        return self.row.open_time, self.position


class Page(NamedTuple):
    """Bars in the order that was asked for; ``after`` is the place to go on from, None if there is no more."""

    bars: list[Found]
    after: tuple[int, int] | None


def find_page(query: BarsQuery, instruments: Sequence[Instrument], repository: BarRepository) -> Page:
    """At most ``query.limit`` bars of all instruments together, by time and then by the order of the symbols."""
    forward = query.reads_forward
    streams = [
        _stream(query, position, instrument, repository, forward) for position, instrument in enumerate(instruments)
    ]
    merged = (
        heapq.merge(*streams, key=lambda found: found.place, reverse=not forward) if len(streams) > 1 else streams[0]
    )
    bars = list(itertools.islice(merged, query.limit + 1))
    after = bars[query.limit - 1].place if len(bars) > query.limit else None
    bars = bars[: query.limit]
    return Page(bars if forward or not query.is_ascending else bars[::-1], after)


def _stream(
    query: BarsQuery, position: int, instrument: Instrument, repository: BarRepository, forward: bool
) -> Iterator[Found]:
    start, end = query.start, query.end
    if query.after is not None:
        edge = _edge(query.after, position, forward)
        start, end = (edge, end) if forward else (start, edge)
    rows = repository.rows(
        instrument,
        query.interval,
        None if start is None else instant(start),
        None if end is None else instant(end),
        limit=query.limit + 1,
        newest_first=not forward,
    )
    return (Found(position, row) for row in rows)


def _edge(place: tuple[int, int], position: int, forward: bool) -> int:
    """The key that parts two pages for one symbol: a page ended at ``place``, and symbols behind the one that it
    ended with still have their bar of that moment to come.
    """
    moment, last = place
    return moment + (position <= last if forward else position < last)


def describe(query: BarsQuery, page: Page, instruments: Sequence[Instrument], *, now: int) -> dict[str, Any]:
    """The part of ``meta`` that tells what the page holds and what is missing from its range."""
    rows = [found.row for found in page.bars]
    sources = Counter([row.source for row in rows])
    expected: int | None = 0
    omitted = 0
    missing = []
    for position, instrument in enumerate(instruments):
        keys = {found.row.open_time for found in page.bars if found.position == position}
        bounds = _bounds(query, page, position, now)
        known = bounds and completeness(
            instrument.calendar, query.interval, *bounds, keys, now=now - instrument.delay_seconds
        )
        if not known:
            expected = None
            continue
        expected = None if expected is None else expected + known.expected
        omitted += known.omitted
        missing += [_range(instrument, gap) for gap in known.missing]
    return {
        "expected": expected,
        "returned": len(page.bars),
        "missing": missing,
        "missing_omitted": omitted,
        "sources": {source.value: count for source, count in sources.items()},
        "provisional": sum(row.state is BarState.PROVISIONAL for row in rows),
        "partial": sum(row.partial for row in rows),
    }


def _range(instrument: Instrument, gap: Missing) -> dict[str, Any]:
    return {"symbol": instrument.symbol, "start": instant(gap.start), "end": instant(gap.end), "bars": gap.bars}


def _bounds(query: BarsQuery, page: Page, position: int, now: int) -> tuple[int, int] | None:
    """The keys ``[start, end)`` of a symbol that this page speaks for; None if they have no beginning.

    Where the page was cut by the limit, or goes on after another, that is where the pages part; elsewhere the range
    as it was asked, until now at most, and from the first bar where no start was asked.
    """
    forward = query.reads_forward
    start, end = query.start, now if query.end is None else min(query.end, now)
    if query.after is not None:
        edge = _edge(query.after, position, forward)
        start, end = (edge, end) if forward else (start, edge)
    if page.after is not None:
        edge = _edge(page.after, position, forward)
        start, end = (start, edge) if forward else (edge, end)
    if start is None:
        start = min((found.row.open_time for found in page.bars), default=None)
    return None if start is None or start > end else (start, end)

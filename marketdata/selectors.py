"""Bars of some symbols together, by time: read as far as somebody looks, cut into pages."""

from __future__ import annotations

import functools
import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from domain.instrument import Instrument
from marketdata.bar_reader import BATCH
from marketdata.columns import Found, Piece, pieces
from marketdata.documents import Row, instant
from marketdata.filling import Filling
from marketdata.ledger_range import GRACE_SECONDS
from marketdata.mongo import Document
from marketdata.query import BarsQuery
from marketdata.repository import BarRepository
from marketdata.tables import Table

Place = tuple[int, int]  # open_time of a bar, and the position of its symbol in the question
_LEAST_BATCH = 100


class Extent(NamedTuple):
    """Where a page lies: behind the place ``begin`` and up to the place ``last``, which belongs to it.

    None: as far as the question goes. ``more``: whether bars follow. ``returned``: how many it has, if known.
    """

    begin: Place | None
    last: Place | None
    more: bool
    returned: int | None

    @property
    def after(self) -> Place | None:
        """The place from which the next page goes on; None if there is no more."""
        return self.last if self.more else None


class Page(NamedTuple):
    """``known``: the document of the series as it was right after its bars were read, where there was but one."""

    bars: Piece
    extent: Extent
    known: Document | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A question about the bars of ``instruments`` at ``now`` (epoch seconds).

    ``forming``: the forming bars that may take part, by the position of their symbol.
    """

    query: BarsQuery
    instruments: Sequence[Instrument]
    repository: BarRepository
    now: int
    forming: Mapping[int, Row]

    def page(self) -> Page:
        """The bars of the page in the order that was asked for, all at once."""
        query = self.query
        end = query.offset + query.limit
        found, known = self._first(end + 1)
        passed = min(query.offset, len(found))
        bars = found.part(passed, end)
        extent = Extent(
            begin=found.place(passed - 1) if passed else query.after,
            last=bars.place(len(bars) - 1) if len(bars) else None,
            more=len(found) > end,
            returned=len(bars),
        )
        return Page(bars if query.reads_forward or not query.is_ascending else bars.backwards(), extent, known)

    def extent(self) -> Extent:
        """Where the page lies that ``page`` would give, holding none of its bars."""
        query = self.query
        if self._is_plain:
            return self._extent_of_one()
        begin, last, count = query.after, None, 0
        most = query.offset + query.limit + 1
        # Made-up bars have no end of their own.
        for found in itertools.islice(self._merged(None, newest_first=not query.reads_forward, most=most), most):
            count += 1
            if count <= query.offset:
                begin = found.place
            elif count <= query.offset + query.limit:
                last = found.place
        returned = min(max(0, count - query.offset), query.limit)
        return Extent(begin, last, count > query.offset + query.limit, returned)

    def _extent_of_one(self) -> Extent:
        """The same by two looks at the series: the bars that are passed over stay in the store."""
        query, forward = self.query, self.query.reads_forward
        begin = query.after
        if query.offset:
            key = self._key_at(query.offset - 1)
            begin = (key, 0) if key is not None else self._behind_everything()
        following = self._key_at(query.offset + query.limit)
        if following is None:
            return Extent(begin, None, more=False, returned=None)
        # Any place between the last bar of the page and the one that follows parts them.
        return Extent(begin, (following - 1 if forward else following + 1, 0), more=True, returned=query.limit)

    def _key_at(self, position: int) -> int | None:
        return self.repository.key_at(
            self.instruments[0],
            self.query.interval,
            *self._span(0, None),
            position=position,
            newest_first=not self.query.reads_forward,
        )

    def _behind_everything(self) -> Place:
        """The place behind the last bar: what was skipped is more than there is."""
        key = self.repository.key_at(
            self.instruments[0], self.query.interval, None, None, position=0, newest_first=self.query.reads_forward
        )
        return (key or 0, 0)

    def stream(self, extent: Extent) -> Iterator[Piece]:
        """The bars of the page at ``extent``, read as they are taken, in the order that was asked for."""
        reading = replace(self, query=replace(self.query, after=extent.begin))
        newest_first = not self.query.is_ascending
        if self._is_plain:
            return map(Piece, reading._tables(extent.last, newest_first=newest_first, most=None))
        return pieces(reading._merged(extent.last, newest_first=newest_first, most=None))

    @property
    def _is_plain(self) -> bool:
        """Whether all bars come as they are stored, out of one series."""
        return len(self.instruments) == 1 and self.query.fill == "none" and not self.forming

    def _first(self, most: int) -> tuple[Piece, Document | None]:
        """As many bars from where the page is read, and ``Page.known``."""
        newest_first = not self.query.reads_forward
        if not self._is_plain:
            found = self._merged(None, newest_first=newest_first, most=most)
            return Piece.of(list(itertools.islice(found, most))), None
        start, end = self._span(0, None)
        table, known = self.repository.table(
            self.instruments[0], self.query.interval, start, end, limit=most, newest_first=newest_first
        )
        return Piece(table), known

    def _merged(self, last: Place | None, *, newest_first: bool, most: int | None) -> Iterator[Found]:
        streams = [
            self._stream(position, last, newest_first=newest_first, most=most)
            for position in range(len(self.instruments))
        ]
        if len(streams) == 1:
            return streams[0]
        return heapq.merge(*streams, key=_place, reverse=newest_first)

    def _tables(
        self, last: Place | None, *, newest_first: bool, most: int | None, position: int = 0
    ) -> Iterator[Table]:
        """What is stored of one symbol."""
        return self.repository.tables(
            self.instruments[position],
            self.query.interval,
            *self._span(position, last),
            limit=most,
            newest_first=newest_first,
            batch=self._batch(most),
        )

    def _span(self, position: int, last: Place | None) -> tuple[datetime | None, datetime | None]:
        start, end = bounds(self.query, position, self.query.after, last)
        return None if start is None else instant(start), None if end is None else instant(end)

    def _stream(self, position: int, last: Place | None, *, newest_first: bool, most: int | None) -> Iterator[Found]:
        """The bars of one symbol, made-up and forming ones among them."""
        query, instrument = self.query, self.instruments[position]
        start, end = bounds(query, position, query.after, last)
        tables = self._tables(last, newest_first=newest_first, most=most, position=position)
        rows = (row for table in tables for row in table.rows())
        flagged: Iterator[tuple[Row, bool]] = zip(rows, itertools.repeat(False))
        if query.fill != "none":
            flagged = self._filling(instrument, start, end).fill(rows, most, newest_first=newest_first)
        forming = self.forming.get(position)
        if forming and (start is None or start <= forming.open_time) and (end is None or forming.open_time < end):
            flagged = _with_forming(flagged, forming, newest_first=newest_first)
        return (Found(position, row, is_filled) for row, is_filled in flagged)

    def _batch(self, most: int | None) -> int:
        """Of many symbols only a part of each is likely to be looked at."""
        fair = BATCH if most is None else 2 * most // len(self.instruments)
        return max(_LEAST_BATCH, min(BATCH, fair))

    def _filling(self, instrument: Instrument, start: int | None, end: int | None) -> Filling:
        query, interval = self.query, self.query.interval

        def close_before(key: int) -> float | None:
            before = self.repository.rows(instrument, interval, None, instant(key), limit=1, newest_first=True)
            return next((row.close for row in before), None)

        return Filling(
            how=query.fill,
            calendar=instrument.calendar,
            interval=interval,
            start=start,
            end=self.now if end is None else min(end, self.now),
            until=self.now - instrument.delay_seconds - GRACE_SECONDS,
            is_open=query.start is None,
            close_before=functools.cache(close_before),
        )


def _place(found: Found) -> Place:
    return found.place


def _with_forming(
    flagged: Iterator[tuple[Row, bool]], forming: Row, *, newest_first: bool
) -> Iterator[tuple[Row, bool]]:
    """``forming`` at the newest end, unless what is stored has come as far: then it closed in between."""
    if newest_first:
        newest = next(flagged, None)
        if newest is None or newest[0].open_time < forming.open_time:
            yield forming, False
        if newest is not None:
            yield newest
        yield from flagged
        return
    last = None
    for last in flagged:
        yield last
    if last is None or last[0].open_time < forming.open_time:
        yield forming, False


def bounds(query: BarsQuery, position: int, begin: Place | None, last: Place | None) -> tuple[int | None, int | None]:
    """The keys ``[start, end)`` of the symbol at ``position`` that lie behind ``begin`` and up to ``last``."""
    forward = query.reads_forward
    start, end = query.start, query.end
    if begin is not None:
        edge = _edge(begin, position, forward)
        start, end = (edge, end) if forward else (start, edge)
    if last is not None:
        edge = _edge(last, position, forward)
        start, end = (start, edge) if forward else (edge, end)
    return start, end


def _edge(place: Place, position: int, forward: bool) -> int:
    """The key that parts two pages for one symbol: a page ended at ``place``, and symbols behind the one that it
    ended with still have their bar of that moment to come.
    """
    moment, last = place
    return moment + (position <= last if forward else position < last)

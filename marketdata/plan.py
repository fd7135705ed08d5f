"""What a sync of one series will ask of its provider: computed from the ledger, before anything is asked."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.calendars import Calendar, get_calendar
from domain.coverage import Hole, Reason
from domain.errors import UnknownCalendar
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.documents import instant, seconds
from marketdata.spans import nominal
from marketdata.window import window_start
from providers.base import Capabilities

_DAY = 86_400
# A provider closes a bar a moment after its span has ended.
_SERVED_AFTER_SECONDS = 10
_GRACE_SECONDS = 120  # so long the ledger waits before it calls a bar missing
_NO_LIMIT_BARS = 5_000  # how far back a first sync reaches where the provider has no window


class Holes(Protocol):
    """What a plan needs of the ledger."""

    def holes(
        self,
        instrument: Instrument,
        interval: Interval,
        start: datetime,
        end: datetime,
        *,
        now: datetime,
        window_bars: int | None,
    ) -> list[Hole]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRequest:
    """One question to the provider: bars with keys in ``[start, end)``, about ``bars`` of them on ``pages`` pages.

    ``to_the_beginning``: nothing older is known, so whatever the provider has before ``start`` is taken too.
    """

    start: datetime
    end: datetime
    bars: int
    pages: int
    to_the_beginning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPlan:
    """What to ask for, oldest first, which is what is lost first. Empty ``requests``: nothing to do.

    ``holes`` are those that the ledger knows in ``[start, end)``. ``truncated_before`` is set where more was wanted
    than the provider's window holds; ``reason`` says so in words.
    """

    instrument: Instrument
    interval: Interval
    start: datetime
    end: datetime
    requests: tuple[PlannedRequest, ...]
    holes: tuple[Hole, ...] = ()
    truncated_before: datetime | None = None
    reason: str = ""

    @property
    def bars(self) -> int:
        return sum(request.bars for request in self.requests)

    @property
    def pages(self) -> int:
        """What it costs of the provider's budget."""
        return sum(request.pages for request in self.requests)


def plan_series(
    instrument: Instrument,
    interval: Interval,
    start: datetime | None,
    end: datetime | None,
    *,
    ledger: Holes,
    capabilities: Capabilities,
    now: datetime,
    missing_only: bool = True,
    newest: datetime | None = None,
    unconfirmed_from: datetime | None = None,
) -> SeriesPlan:
    """The plan for bars with open times in ``[start, end)``; None: the provider's whole window, until now.

    ``missing_only`` asks for holes, for bars that have closed after ``newest`` (the last that is stored) and, from
    ``unconfirmed_from`` on, for what history has not confirmed; without it everything is asked for again.
    """
    calendar, window = get_calendar(instrument.calendar), capabilities.window_bars
    earliest = instant(window_start(instrument.calendar, interval, window or _NO_LIMIT_BARS, seconds(now)))
    wanted_from = earliest if start is None else start
    begins = max(wanted_from, earliest) if window else wanted_from
    ends = min(end or now, now)
    truncated = begins if _is_expected(calendar, interval, wanted_from, begins) else None
    holes: list[Hole] = []
    spans = [(seconds(begins), seconds(ends))]
    if missing_only and begins < ends:
        holes = ledger.holes(instrument, interval, begins, ends, now=now, window_bars=window)
        after = seconds(begins) if newest is None else max(seconds(begins), seconds(newest) + 1)
        tail = _tail(calendar, interval, after, seconds(ends), seconds(now) - instrument.delay_seconds)
        unconfirmed = None if unconfirmed_from is None else seconds(unconfirmed_from)
        opens = [begun for begun in (tail, unconfirmed) if begun is not None]
        holes = [hole for hole in holes if hole.reason is not Reason.BEYOND_WINDOW]
        spans = [(hole.start, min(nominal(interval, hole.end - 1)[1], seconds(ends))) for hole in holes]
        spans += [(max(begun, seconds(begins)), seconds(ends)) for begun in opens]
    edge = _edge(calendar, interval, seconds(begins), seconds(ends), newest) if start is None else None
    return SeriesPlan(
        instrument=instrument,
        interval=interval,
        start=begins,
        end=ends,
        requests=tuple(
            _request(instrument, interval, span, capabilities, now, edge=edge)
            # Behind a window every request is answered back from now, so one costs no more than several.
            for span in _joined(spans, math.inf if window else capabilities.page_bars * _length(interval))
        ),
        holes=tuple(holes),
        truncated_before=truncated,
        reason=f"beyond the provider's window of {window} bars" if truncated else "",
    )


def _request(
    instrument: Instrument,
    interval: Interval,
    span: tuple[int, int],
    capabilities: Capabilities,
    now: datetime,
    *,
    edge: int | None,
) -> PlannedRequest:
    """Providers page backwards from now, so what a request costs is the bars since its start."""
    start, end = span
    most = capabilities.window_bars
    bars = _count(instrument.calendar, interval, start, end)
    since = _count(instrument.calendar, interval, start, seconds(now))
    pages = math.ceil(min(since, most or since) / capabilities.page_bars)
    return PlannedRequest(
        start=instant(start),
        end=instant(end),
        bars=min(bars, most) if most else bars,
        pages=max(pages, 1),
        to_the_beginning=edge is not None and start <= edge,
    )


def _tail(calendar: Calendar, interval: Interval, after: int, end: int, now: int) -> int | None:
    """The key of the first bar that has closed, but so lately that the ledger does not call it missing yet."""
    if interval.seconds is not None:
        after = max(after, now - _GRACE_SECONDS - interval.seconds)
    try:
        for window in calendar.windows(interval, after, end):
            if window.end > now - _GRACE_SECONDS:
                served_at = window.end + calendar.auction_seconds + _SERVED_AFTER_SECONDS
                return window.key if served_at <= now else None
    except UnknownCalendar:
        return after
    return None


def _joined(spans: Sequence[tuple[int, int]], within: float) -> list[tuple[int, int]]:
    """Spans put together where they touch, and as long as all is ``within`` so many seconds."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if found and (start <= found[-1][1] or end - found[-1][0] <= within):
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _length(interval: Interval) -> int:
    """Seconds in which a market that never closes has one bar; others take longer for as many."""
    return interval.seconds or {Interval.D1: _DAY, Interval.W1: 7 * _DAY}.get(interval, 31 * _DAY)


@functools.lru_cache(maxsize=1_024)
def _count(calendar_name: str, interval: Interval, start: int, end: int) -> int:
    """How many bars the calendar expects in ``[start, end)``; where it does not reach, as many as could be."""
    length = _length(interval)
    if calendar_name == "24/7" and interval is not Interval.MN1:
        return -(-end // length) - -(-start // length)
    try:
        return sum(1 for _ in get_calendar(calendar_name).windows(interval, start, end))
    except UnknownCalendar:
        return -(-(end - start) // length)


def _is_expected(calendar: Calendar, interval: Interval, start: datetime, end: datetime) -> bool:
    try:
        return next(calendar.windows(interval, seconds(start), seconds(end)), None) is not None
    except UnknownCalendar:
        return start < end


def _edge(calendar: Calendar, interval: Interval, start: int, end: int, newest: datetime | None) -> int:
    """A request that begins by then takes all that is older too.

    In a thin market more is within the window than the calendar lets us expect, and elsewhere the window may reach
    back to before the calendar knows anything.
    """
    if newest is None:
        return end
    try:
        found = next(calendar.windows(interval, start, end), None)
    except UnknownCalendar:
        return start
    return found.key if found else start

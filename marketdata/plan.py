"""What a sync of one series will ask of its provider: computed from the ledger, before anything is asked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.calendars import Calendar, get_calendar
from domain.coverage import Hole, Reason
from domain.errors import UnknownCalendar
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.documents import instant, seconds
from marketdata.plan_spans import Span, count, joined, nominal_seconds, wanted_spans
from marketdata.window import window_start
from providers.base import Capabilities

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
    lower, upper = seconds(begins), seconds(ends)
    holes: list[Hole] = []
    if missing_only and begins < ends:
        found = ledger.holes(instrument, interval, begins, ends, now=now, window_bars=window)
        holes = [hole for hole in found if hole.reason is not Reason.BEYOND_WINDOW]
        after = lower if newest is None else max(lower, seconds(newest) + 1)
        tail = _tail(calendar, interval, after, upper, seconds(now) - instrument.delay_seconds)
        unconfirmed = None if unconfirmed_from is None else max(lower, seconds(unconfirmed_from))
        spans = wanted_spans(instrument.calendar, interval, holes, [tail, unconfirmed], upper)
    else:
        spans = [Span(lower, upper, count(instrument.calendar, interval, lower, upper))]
    edge = _edge(calendar, interval, lower, upper, newest) if start is None else None
    # Behind a window every request is answered back from now, so one costs no more than several.
    together = joined(spans, math.inf if window else capabilities.page_bars * nominal_seconds(interval))
    return SeriesPlan(
        instrument=instrument,
        interval=interval,
        start=begins,
        end=ends,
        requests=tuple(_request(instrument, interval, span, capabilities, now, edge=edge) for span in together),
        holes=tuple(holes),
        truncated_before=truncated,
        reason=f"beyond the provider's window of {window} bars" if truncated else "",
    )


def _request(
    instrument: Instrument,
    interval: Interval,
    span: Span,
    capabilities: Capabilities,
    now: datetime,
    *,
    edge: int | None,
) -> PlannedRequest:
    """Providers page backwards from now, so what a request costs is the bars since its start."""
    window, page = capabilities.window_bars, capabilities.page_bars
    if window is not None and window <= page:
        since = page
    else:
        since = count(instrument.calendar, interval, span.start, seconds(now))
    return PlannedRequest(
        start=instant(span.start),
        end=instant(span.end),
        bars=min(span.bars, window or span.bars),
        pages=max(math.ceil(min(since, window or since) / page), 1),
        to_the_beginning=edge is not None and span.start <= edge,
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

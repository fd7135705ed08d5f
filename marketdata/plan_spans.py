"""Which stretches of a series are wanted, and how they are put together into requests."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

from domain.calendars import get_calendar
from domain.coverage import Hole
from domain.errors import UnknownCalendar
from domain.interval import Interval
from marketdata.spans import nominal

_DAY = 86_400


class Span(NamedTuple):
    """Keys in ``[start, end)``, of which about ``bars`` are wanted."""

    start: int
    end: int
    bars: int


def wanted_spans(
    calendar_name: str, interval: Interval, holes: Sequence[Hole], opens: Sequence[int | None], end: int
) -> list[Span]:
    """The holes, up to where everything is wanted until the end."""
    first = min((begun for begun in opens if begun is not None), default=None)
    if first is None or first >= end:
        return [Span(hole.start, min(nominal(interval, hole.end - 1)[1], end), hole.bars) for hole in holes]
    older = [
        Span(hole.start, min(nominal(interval, hole.end - 1)[1], first), hole.bars)
        for hole in holes
        if hole.start < first
    ]
    return [*older, Span(first, end, count(calendar_name, interval, first, end))]


def joined(spans: Sequence[Span], within: float) -> list[Span]:
    """Spans put together where they touch, and as long as all is ``within`` so many seconds."""
    found: list[Span] = []
    for span in sorted(spans):
        if span.start >= span.end:
            continue
        if found and (span.start <= found[-1].end or span.end - found[-1].start <= within):
            before = found.pop()
            span = Span(before.start, max(span.end, before.end), before.bars + span.bars)
        found.append(span)
    return found


def nominal_seconds(interval: Interval) -> int:
    """Seconds in which a market that never closes has one bar; others take longer for as many."""
    return interval.seconds or {Interval.D1: _DAY, Interval.W1: 7 * _DAY}.get(interval, 31 * _DAY)


@functools.lru_cache(maxsize=1_024)
def count(calendar_name: str, interval: Interval, start: int, end: int) -> int:
    """How many bars the calendar expects in ``[start, end)``; where it does not reach, as many as could be."""
    length = nominal_seconds(interval)
    if calendar_name == "24/7" and interval.is_intraday:
        return -(-end // length) - -(-start // length)
    try:
        return sum(1 for _ in get_calendar(calendar_name).windows(interval, start, end))
    except UnknownCalendar:
        return -(-(end - start) // length)

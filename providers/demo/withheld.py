"""Bars that history does not have, or not yet, though they were traded: holes at the provider."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from domain.errors import InvalidRequest
from domain.interval import Interval
from providers.demo import table
from providers.demo.instruments import Listing
from providers.demo.randomness import Ints


class Withheld(NamedTuple):
    """Bars of one series with keys in ``[start, end)``, epoch seconds."""

    symbol: str
    interval: Interval
    start: int
    end: int


@functools.lru_cache(maxsize=1_000)
def withheld_of(text: str) -> Withheld:
    """What ``DEMO:AAPL/1m/2026-11-20T15:00Z/2026-11-20T15:10Z`` names. Raises InvalidRequest."""
    try:
        symbol, interval, *times = text.split("/")
        start, end = (datetime.fromisoformat(time) for time in times)
        if start.tzinfo is None or end.tzinfo is None or start >= end:
            raise ValueError(text)
        return Withheld(symbol, Interval(interval), math.ceil(start.timestamp()), math.ceil(end.timestamp()))
    except ValueError as error:
        raise InvalidRequest(
            f"withhold takes SYMBOL/INTERVAL/START/END with times like 2026-11-20T15:00Z, not {text[:100]!r}"
        ) from error


def shown(
    rows: Ints,
    listing: Listing,
    interval: Interval,
    now_ms: int,
    *,
    withhold: Iterable[str],
    closing_delay_seconds: float,
) -> Ints:
    """Those of a series' ``rows`` (columns of `table`) that history shows.

    A bar that has closed is late by ``closing_delay_seconds``; the one in progress is shown as ever.
    """
    ages = now_ms / 1_000 - listing.delay_seconds - rows[:, table.END]
    is_shown = (ages < 0) | (ages >= closing_delay_seconds)
    for one in map(withheld_of, withhold):
        if (one.symbol, one.interval) == (listing.symbol, interval):
            is_shown &= (rows[:, table.KEY] < one.start) | (rows[:, table.KEY] >= one.end)
    found: Ints = rows[is_shown]
    return found

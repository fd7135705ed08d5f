"""What the tape of a symbol prints: its trades in order, each with the state of its trading day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from providers.demo import minutes
from providers.demo.history import History
from providers.demo.instruments import Listing
from providers.demo.randomness import Ints


class Print(NamedTuple):
    """One trade, and its day up to and including it. Prices in ticks, sizes in steps.

    ``number`` counts the trades of the day; ``volume`` is the day's so far. ``day`` is the index of the trading day
    in the listing's timetable, ``previous_close`` the close of the day before.
    """

    time_ms: int
    number: int
    price: int
    size: int
    volume: int
    open: int
    high: int
    low: int
    previous_close: int
    day: int


def prints(history: History, listing: Listing, after_ms: int) -> Iterator[Print]:
    """Trades later than ``after_ms``, in order, without end."""
    timetable = history.timetable(listing)
    index = max(timetable.index_at(after_ms // 1_000), timetable.first_priced)
    while True:
        yield from _prints_of_day(history, listing, index, after_ms)
        index += 1
        timetable.ensure(timetable.closes[index - 1])


def last_print(history: History, listing: Listing, at_ms: int) -> Print | None:
    """The newest trade at or before ``at_ms``; None before the first of all."""
    timetable = history.timetable(listing)
    index = timetable.index_at(at_ms // 1_000)
    while index >= timetable.first_priced:
        rows = history.minute_rows(listing, index)
        place = int(np.searchsorted(rows[:, minutes.START], at_ms // 1_000, side="right")) - 1
        # Only the minute that holds the moment can lack a trade before it.
        for candidate in range(place, max(place - 2, -1), -1):
            found = None
            for trade in _prints_of_minute(history, listing, index, rows, candidate):
                if trade.time_ms > at_ms:
                    break
                found = trade
            if found is not None:
                return found
        index -= 1
    return None


def _prints_of_day(history: History, listing: Listing, index: int, after_ms: int) -> Iterator[Print]:
    rows = history.minute_rows(listing, index)
    first = int(np.searchsorted(rows[:, minutes.START], after_ms // 1_000 - 60, side="right"))
    for place in range(first, len(rows)):
        for trade in _prints_of_minute(history, listing, index, rows, place):
            if trade.time_ms > after_ms:
                yield trade


def _prints_of_minute(history: History, listing: Listing, index: int, rows: Ints, place: int) -> Iterator[Print]:
    row = rows[place]
    before = rows[:place]
    trades = history.trades(listing, index, row)
    start = int(row[minutes.START]) * 1_000
    number = int(before[:, minutes.TRADES].sum())
    volume = int(before[:, minutes.VOLUME].sum())
    opened = int(rows[0, minutes.OPEN])
    high = int(before[:, minutes.HIGH].max()) if place else opened
    low = int(before[:, minutes.LOW].min()) if place else opened
    previous = _previous_close(history, listing, index, opened)
    for offset, price, size in zip(*(column.tolist() for column in trades), strict=True):
        volume += size
        if price > high:
            high = price
        if price < low:
            low = price
        yield Print(start + offset, number, price, size, volume, opened, high, low, previous, index)
        number += 1


def _previous_close(history: History, listing: Listing, index: int, opened: int) -> int:
    """Close of the day before; the very first day has none and takes its own open."""
    if index <= history.timetable(listing).first_priced:
        return opened
    return history.day(listing, index - 1).close

"""The trade level: one minute's open, high, low, close and volume as its trades, exactly."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from providers.demo.minutes import CLOSE, HIGH, LOW, OPEN, TRADES, VOLUME
from providers.demo.randomness import Ints, Words, below, split, words

_MINUTE_MS = 60_000


class Trades(NamedTuple):
    """A minute's trades in order: ms after its start, prices in ticks, sizes in steps. They refold to its row."""

    offsets: Ints
    prices: Ints
    sizes: Ints


def trades_of(stream: int, row: Ints) -> Trades:
    """The trades of the minute ``row``; the first is its open, the last its close, one is at each extreme."""
    count = int(row[TRADES])
    noise = words(stream, count + 2)
    # One more pause than trades, so that the last trade lies before the end of the minute.
    pauses = np.cumsum(1 + (noise[: count + 1] & np.uint64(0xFFF)).astype(np.int64))
    offsets = pauses[:count] * _MINUTE_MS // pauses[count]
    volume = int(row[VOLUME])
    least = np.full(count, 1 if volume else 0, dtype=np.int64)
    weights = 1 + (noise[:count] >> np.uint64(12) & np.uint64(0x3FF)).astype(np.int64)
    sizes = split(volume, weights, least) if volume else least
    return Trades(offsets, _prices(row, noise, count), sizes)


def _prices(row: Ints, noise: Words, count: int) -> Ints:
    opened, high, low, closed = (int(row[column]) for column in (OPEN, HIGH, LOW, CLOSE))
    if count == 1:
        return np.array([closed], dtype=np.int64)
    anchors = sorted(_anchors(opened, high, low, closed, count, int(noise[count + 1])).items())
    prices: Ints = np.empty(count, dtype=np.int64)
    for (left, from_price), (right, to_price) in itertools.pairwise(anchors):
        steps = np.arange(right - left + 1, dtype=np.int64)
        prices[left : right + 1] = from_price + (to_price - from_price) * steps // (right - left)
    swing = max(1, (high - low) // 6)
    wander = below(noise[:count] >> np.uint64(24), 2 * swing + 1) - swing
    np.clip(prices + wander, low, high, out=prices)
    for place, price in anchors:
        prices[place] = price
    return prices


def _anchors(opened: int, high: int, low: int, closed: int, count: int, chance: int) -> dict[int, int]:
    """Which trades have a price that the minute's row dictates: place -> price."""
    anchors = {0: opened, count - 1: closed}
    places = []
    if count >= 3:
        places.append(1 + chance % (count - 2))
    if count >= 4:
        second = 1 + (chance >> 32) % (count - 3)
        places.append(second + (second >= places[0]))
    if high > max(opened, closed):
        anchors[places.pop()] = high
    if low < min(opened, closed):
        anchors[places.pop()] = low
    return anchors

"""The day level: one open, high, low, close and volume for each trading day, in order.

Returns follow GARCH(1,1) with Student-t shocks and are drawn back to a slowly growing target, so that prices stay
believable for decades. The high and low of a day come from the formula for the extremes of a Brownian bridge.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from providers.demo.instruments import Listing
from providers.demo.randomness import Ints, Words, named_stream, normals_at, stretched

ALPHA, BETA = 0.08, 0.90  # GARCH: persistence 0.98
PULL = 0.006  # share of the distance to the target that a day makes good
_DRAWS = 16  # normals a day
_DEGREES = 5  # of the t distribution of returns


class DayShape(NamedTuple):
    """A trading day of one symbol; prices in ticks, volume in size steps."""

    open: int
    high: int
    low: int
    close: int
    volume: int


class DayLevel:
    """The days of one listing, computed in order and kept: five integers a day."""

    def __init__(self, seed: int, listing: Listing) -> None:
        self._listing = listing
        self._stream = named_stream(seed, listing.ticker, "day")
        self._days: list[DayShape] = []
        self._variance = listing.daily_deviation**2
        self._target = listing.start_ticks()
        self._close = round(self._target)

    def __len__(self) -> int:
        return len(self._days)

    def __getitem__(self, index: int) -> DayShape:
        return self._days[index]

    def rows(self, start: int, end: int) -> Ints:
        """Days ``[start, end)`` as an array of open, high, low, close, volume."""
        return np.array(self._days[start:end], dtype=np.int64).reshape(-1, 5)

    def extend(self, ordinals: Ints, minutes: Ints) -> None:
        """Append days: their proleptic ordinals and how many minutes each is open."""
        if not len(ordinals):
            return
        first: Words = ordinals.astype(np.uint64) * np.uint64(_DRAWS)
        draws: Words = np.arange(_DRAWS, dtype=np.uint64)
        z = normals_at(self._stream, np.add.outer(first, draws))
        chi = z[:, 1] * z[:, 1]
        for column in range(2, 1 + _DEGREES):
            chi = chi + z[:, column] * z[:, column]
        # t shocks of unit variance: z / sqrt(chi / n) x sqrt((n - 2) / n)
        shocks = z[:, 0] / np.sqrt(chi / _DEGREES) * math.sqrt((_DEGREES - 2) / _DEGREES)
        above = z[:, 7] * z[:, 7] + z[:, 8] * z[:, 8]  # -2 ln U is the sum of two squared normals
        below = z[:, 9] * z[:, 9] + z[:, 10] * z[:, 10]
        busy = stretched(z[:, 11] * 0.25)
        columns = (shocks, z[:, 6], above, below, busy, minutes)
        for figures in zip(*(column.tolist() for column in columns), strict=True):
            self._days.append(self._next_day(*figures))

    def _next_day(self, shock: float, gap: float, above: float, below: float, busy: float, minutes: int) -> DayShape:
        listing, previous = self._listing, self._close
        sigma = math.sqrt(self._variance)
        pull = PULL * (self._target - previous) / previous
        limit = 6.0 * listing.daily_deviation
        move = min(max(pull + sigma * shock, -limit), limit)
        opened = max(previous + round(previous * sigma * listing.gap_share * gap), 2)
        distance = opened * move
        closed = max(opened + round(distance), 2)
        spread = opened * sigma * opened * sigma
        high = round((distance + math.sqrt(distance * distance + spread * above)) * 0.5)
        low = round((distance - math.sqrt(distance * distance + spread * below)) * 0.5)
        self._variance = (
            (1.0 - ALPHA - BETA) * listing.daily_deviation * listing.daily_deviation
            + ALPHA * move * move
            + BETA * self._variance
        )
        self._target *= listing.growth
        self._close = closed
        return DayShape(
            opened,
            max(opened + high, opened, closed),
            max(min(opened + low, opened, closed), 1),
            closed,
            self._volume(minutes, busy * (0.7 + 0.3 * abs(shock))),
        )

    def _volume(self, minutes: int, busy: float) -> int:
        """Volume of a day: never below its count of trades, of which each has at least one step."""
        if not self._listing.has_volume:
            return 0
        typical = self._listing.trades_a_minute * minutes * self._listing.mean_size
        return max(math.floor(typical * busy), most_trades(self._listing, minutes))


def most_trades(listing: Listing, minutes: int) -> int:
    """A bound on the trades of a day, known before its minutes are."""
    return math.floor(listing.trades_a_minute * minutes * 1.7 * 2.2) + minutes + 16

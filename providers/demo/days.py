"""The day level: one open, high, low, close and volume for each trading day, in order.

Returns follow GARCH(1,1) with Student-t shocks and are drawn back to a slowly growing target, so that prices stay
believable for decades. The high and low of a day come from the formula for the extremes of a Brownian bridge.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from providers.demo.instruments import Listing
from providers.demo.randomness import Floats, Ints, Words, named_stream, normals_at, stretched

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


_NEWEST = 8  # days that stay when the others are dropped: what a tape asks for


class DayLevel:
    """The days of one listing, computed in order and kept: five integers a day. The oldest may be dropped."""

    def __init__(self, seed: int, listing: Listing) -> None:
        self._listing = listing
        self._stream = named_stream(seed, listing.ticker, "day")
        self._days: Ints = np.empty((0, 5), dtype=np.int64)
        self.dropped = 0  # days before the first that is still held
        self._variance = listing.daily_deviation * listing.daily_deviation
        self._target = listing.start_ticks()
        self._close = round(self._target)

    def __len__(self) -> int:
        return self.dropped + len(self._days)

    def rows(self, start: int, end: int) -> Ints:
        """Days ``[start, end)``, none of them dropped, as an array of open, high, low, close, volume."""
        return self._days[start - self.dropped : end - self.dropped]

    def drop(self) -> None:
        """Forget all but the newest days; a quarter of a megabyte after 16 years."""
        many = max(len(self._days) - _NEWEST, 0)
        self._days = self._days[many:].copy()
        self.dropped += many

    def extend(self, ordinals: Ints, minutes: Ints) -> None:
        """Append days: their proleptic ordinals and how many minutes each is open."""
        first: Words = ordinals.astype(np.uint64) * np.uint64(_DRAWS)
        draws: Words = np.arange(_DRAWS, dtype=np.uint64)
        z = normals_at(self._stream, np.add.outer(first, draws))
        chi = z[:, 1] * z[:, 1]
        for column in range(2, 1 + _DEGREES):
            chi = chi + z[:, column] * z[:, column]
        # t shocks of unit variance: z / sqrt(chi / n) x sqrt((n - 2) / n)
        shocks = z[:, 0] / np.sqrt(chi / _DEGREES) * math.sqrt((_DEGREES - 2) / _DEGREES)
        opens, closes, sigmas = self._walk(shocks, z[:, 6])
        days = np.empty((len(ordinals), 5), dtype=np.int64)
        days[:, 0], days[:, 3] = opens, closes
        days[:, 1], days[:, 2] = _extremes(days[:, 0], days[:, 3], sigmas, z[:, 7:11])
        busy = stretched(z[:, 11] * 0.25) * (0.7 + 0.3 * np.abs(shocks))
        days[:, 4] = self._volumes(minutes, busy)
        self._days = np.concatenate((self._days, days))

    def _walk(self, shocks: Floats, gaps: Floats) -> tuple[list[int], list[int], Floats]:
        """Opens, closes and deviations, each day out of the one before: the only part that is done day by day."""
        listing, close, target, variance = self._listing, self._close, self._target, self._variance
        limit, floor = (
            6.0 * listing.daily_deviation,
            (1.0 - ALPHA - BETA) * listing.daily_deviation * listing.daily_deviation,
        )
        opens, closes, sigmas = [], [], []
        for shock, gap in zip(shocks.tolist(), gaps.tolist(), strict=True):
            sigma = math.sqrt(variance)
            move = PULL * (target - close) / close + sigma * shock
            move = limit if move > limit else -limit if move < -limit else move
            opened = close + round(close * sigma * listing.gap_share * gap)
            opened = opened if opened > 2 else 2
            close = opened + round(opened * move)
            close = close if close > 2 else 2
            variance = floor + ALPHA * move * move + BETA * variance
            target *= listing.growth
            opens.append(opened)
            closes.append(close)
            sigmas.append(sigma)
        self._close, self._target, self._variance = close, target, variance
        return opens, closes, np.array(sigmas)

    def _volumes(self, minutes: Ints, busy: Floats) -> Ints:
        """Volume of each day: never below its count of trades, of which each has at least one step."""
        if not self._listing.has_volume:
            return np.zeros(len(minutes), dtype=np.int64)
        typical = self._listing.trades_a_minute * self._listing.mean_size * minutes.astype(np.float64)
        # A bound on the trades of a day, known before its minutes are.
        most = np.floor(self._listing.trades_a_minute * 3.74 * minutes.astype(np.float64)).astype(np.int64)
        volumes: Ints = np.maximum(np.floor(typical * busy).astype(np.int64), most + minutes + 16)
        return volumes


def _extremes(opens: Ints, closes: Ints, sigmas: Floats, z: Floats) -> tuple[Ints, Ints]:
    """Highs and lows: the extremes of a Brownian bridge from open to close, -2 ln U being two squared normals."""
    distance = (closes - opens).astype(np.float64)
    spread = opens * sigmas
    square, spread = distance * distance, spread * spread
    up = (distance + np.sqrt(square + spread * (z[:, 0] * z[:, 0] + z[:, 1] * z[:, 1]))) * 0.5
    down = (distance - np.sqrt(square + spread * (z[:, 2] * z[:, 2] + z[:, 3] * z[:, 3]))) * 0.5
    highs: Ints = np.maximum(opens + np.rint(up).astype(np.int64), np.maximum(opens, closes))
    lows: Ints = np.minimum(opens + np.rint(down).astype(np.int64), np.minimum(opens, closes))
    return highs, np.maximum(lows, 1)

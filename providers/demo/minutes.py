"""The minute level: a day's open, high, low, close and volume spread over its minutes, exactly.

A random walk over the minutes that trade, bridged from the day's open to its close, its excursions scaled so that
the extremes are the day's. The count of trades is drawn first, since it limits the shape of a minute: one trade is
flat, two have no wick, three have one.
"""

from __future__ import annotations

import numpy as np

from providers.demo.days import DayShape
from providers.demo.instruments import Listing
from providers.demo.randomness import Floats, Ints, Words, below, normals, split, stretched, words

# Columns of the array that `minutes_of` returns.
START, TRADES, OPEN, HIGH, LOW, CLOSE, VOLUME = range(7)
_WALK_UNIT = 1024


def minutes_of(listing: Listing, stream: int, starts: Ints, day: DayShape) -> Ints:
    """The minutes of one day that trade, ascending: start (epoch s), trades, open, high, low, close, volume.

    ``starts`` are the starts of all minutes of the day's segments. The rows refold to ``day`` exactly.
    """
    count = len(starts)
    noise = words(stream, count)
    trades = _trade_counts(listing, noise, count)
    traded = np.flatnonzero(trades)
    if not len(traded):
        traded = np.array([int(noise[0] % np.uint64(count))])
    trades = np.maximum(trades[traded], 1)
    closes = _path(stream, day, len(traded))
    at_high = -1 if day.open >= closes.max() else int(closes.argmax())
    at_low = -1 if day.open <= closes.min() else int(closes.argmin())
    for special in (0, len(traded) - 1, max(at_high, 0), max(at_low, 0)):
        trades[special] = max(trades[special], 4)
    rows = np.empty((len(traded), 7), dtype=np.int64)
    rows[:, START] = starts[traded]
    rows[:, TRADES] = trades
    _shape(rows, noise[traded], day, closes)
    rows[max(at_high, 0), HIGH] = day.high
    rows[max(at_low, 0), LOW] = day.low
    rows[:, VOLUME] = 0
    if listing.has_volume:
        weights = trades * (512 + (noise[traded] >> np.uint64(52) & np.uint64(1023)).astype(np.int64))
        rows[:, VOLUME] = split(day.volume, weights, trades)
    return rows


def _trade_counts(listing: Listing, noise: Words, count: int) -> Ints:
    """Trades a minute: busy at both ends of a session that closes, with chance in between."""
    place = (np.arange(count, dtype=np.float64) + 0.5) / count * 2.0 - 1.0
    square = place * place
    shape = 0.7 + 1.5 * square * square if listing.is_busy_at_ends else 1.15 - 0.45 * square
    chance = 0.4 + 1.2 / 65536.0 * (noise & np.uint64(0xFFFF)).astype(np.float64)
    expected = shape * chance * listing.trades_a_minute
    whole = np.floor(expected)
    round_up = (noise >> np.uint64(16) & np.uint64(0xFFFF)).astype(np.float64) < (expected - whole) * 65536.0
    return whole.astype(np.int64) + round_up


def _path(stream: int, day: DayShape, count: int) -> Ints:
    """Closes of ``count`` minutes from the day's open to its close, within its high and low."""
    steps = normals(stream ^ 0x5DEECE66D, count) * stretched(normals(stream ^ 0x2545F491, count) * 0.6)
    walk = np.cumsum(np.rint(steps * _WALK_UNIT).astype(np.int64)).astype(np.float64)
    share = np.arange(1, count + 1, dtype=np.float64) / count
    line = day.open + (day.close - day.open) * share
    bend = walk - walk[-1] * share
    # Where the walk hardly leaves its line, stretching it to the day's extreme would make a spike of one minute:
    # the stretch is bounded, and the extreme becomes a wick.
    typical = (day.high - day.low) / max(float(bend.max() - bend.min()), 1.0) * 1.6
    up, down = _scale(bend, day.high - line), _scale(-bend, line - day.low)
    path = np.clip(np.rint(line + bend * np.minimum(np.where(bend > 0, up, down), typical)), day.low, day.high)
    closes: Ints = path.astype(np.int64)
    closes[-1] = day.close
    return closes


def _scale(bend: Floats, room: Floats) -> float:
    """The greatest factor by which the positive part of ``bend`` still fits into ``room``."""
    out = bend > 0
    return float((room[out] / bend[out]).min()) if out.any() else 0.0


def _shape(rows: Ints, noise: Words, day: DayShape, closes: Ints) -> None:
    """Open, high, low and close of each minute, as its count of trades allows."""
    trades = rows[:, TRADES]
    previous = np.concatenate(([day.open], closes[:-1]))
    jump = below(noise >> np.uint64(32), 3) - 1
    jump[0] = 0
    opens = np.clip(previous + jump, day.low, day.high)
    opens = np.where(trades == 1, closes, opens)
    top, bottom = np.maximum(opens, closes), np.minimum(opens, closes)
    reach = int(np.abs(closes - opens).sum()) // len(closes) + 1
    up = below(noise >> np.uint64(36), 2 * reach + 1) // 2
    down = below(noise >> np.uint64(44), 2 * reach + 1) // 2
    one_up = (noise >> np.uint64(63)).astype(bool)
    up = np.where((trades >= 4) | ((trades == 3) & one_up), up, 0)
    down = np.where((trades >= 4) | ((trades == 3) & ~one_up), down, 0)
    rows[:, OPEN] = opens
    rows[:, HIGH] = np.minimum(top + up, day.high)
    rows[:, LOW] = np.maximum(bottom - down, day.low)
    rows[:, CLOSE] = closes

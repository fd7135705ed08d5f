"""Packed bars as columns again. What costs is memory that is touched for the first time, far more than arithmetic: so
all columns are made in place, in one block, which the system can give in large pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from marketdata.packing import UNKNOWN_TRADES, WIDTHS, Column, Columns, Document, joined


def unpack(documents: Sequence[Document]) -> Columns:
    """The columns of several documents, one after the other. They share one block of memory."""
    packed = [one for one in documents if one["n"]]
    if len(packed) > 1 and any("d" not in one for one in packed):  # doubles that are no decimals: rare
        return joined([unpack([one]) for one in packed])
    counts = np.array([one["n"] for one in packed], dtype=np.int64)
    total = int(counts.sum())
    block = np.empty((7, total), np.int64)
    times, trades, doubles = block[0], block[6], block.view(np.float64)
    _unpack_times(times, [one["t"] for one in packed], counts)
    _unpack_prices(doubles[1:5], packed, counts)
    _unpack_volumes(doubles[5], [one["v"] for one in packed], counts)
    _unpack_trades(trades, packed, counts)
    return Columns._make([times.view("datetime64[s]"), *doubles[1:6], trades, _flags(packed, counts)])


def _unpack_times(times: Column, packed: Sequence[Any], counts: Column) -> None:
    paces = {one[1] if isinstance(one[1], int) else None for one in packed}
    pace = paces.pop() if len(paces) == 1 else None
    if pace is None:
        _fill(times, [_times_of(first, pace, count) for (first, pace), count in zip(packed, counts, strict=True)])
        return
    times[:] = pace
    before = np.cumsum(counts) - counts  # bars of the documents before
    firsts = np.array([one[0] for one in packed], np.int64)
    times[before] = firsts - np.concatenate(([0], (firsts + pace * (counts - 1))[:-1]))
    np.cumsum(times, out=times)


def _times_of(first: int, pace: Any, count: int) -> Column:
    steps = np.full(count - 1, pace) if isinstance(pace, int) else _read(pace)
    return np.cumsum(np.concatenate(([first], steps)), dtype=np.int64)


def _unpack_prices(prices: Column, packed: Sequence[Document], counts: Column) -> None:
    """Rows of open, high, low, close. The sums are of whole numbers, exact as doubles."""
    if packed and "d" not in packed[0]:
        for price, part in zip(prices, packed[0]["p"], strict=True):
            price[:] = np.frombuffer(part, "<f8")
        return
    for price, place in zip(prices, range(4), strict=True):
        _fill(price, [_read(one["p"][place]) for one in packed])
    opened, high, low, moves = prices
    close = np.empty_like(moves)
    _sum(moves, close, [one["b"] for one in packed], counts)
    opened += close
    opened -= moves
    np.maximum(opened, close, out=moves)
    high += moves
    np.minimum(opened, close, out=moves)
    np.subtract(moves, low, out=low)
    moves[:] = close
    _divide(prices, [one["d"] for one in packed], counts)


def _sum(moves: Column, close: Column, bases: Sequence[int], counts: Column) -> None:
    """Closes again: those of each document begin at its base, so its first move goes on from there."""
    begins = np.cumsum(counts) - counts
    firsts = moves[begins] + bases
    ends = np.add.reduceat(moves, begins) + bases if len(begins) else firsts
    close[:] = moves
    close[begins] = firsts - np.concatenate(([0.0], ends[:-1]))
    np.cumsum(close, out=close)


def _unpack_volumes(volumes: Column, packed: Sequence[Any], counts: Column) -> None:
    """Whole numbers, or doubles where one of a document's volumes is none: those are left as they are."""
    is_whole = [isinstance(one, list) for one in packed]
    _fill(
        volumes,
        [_read(one[1]) if whole else np.frombuffer(one, "<f8") for one, whole in zip(packed, is_whole, strict=True)],
    )
    _divide([volumes], [one[0] if whole else 0 for one, whole in zip(packed, is_whole, strict=True)], counts)


def _unpack_trades(trades: Column, packed: Sequence[Document], counts: Column) -> None:
    if all(one["k"] is None for one in packed):
        trades[:] = UNKNOWN_TRADES
        return
    unknown = (np.full(one["n"], UNKNOWN_TRADES) if one["k"] is None else _read(one["k"]) for one in packed)
    _fill(trades, list(unknown))


def _flags(packed: Sequence[Document], counts: Column) -> Column:
    if all(isinstance(one["f"], int) for one in packed):
        return np.repeat(np.array([one["f"] for one in packed], np.uint8), counts)
    return np.concatenate(
        [
            np.full(one["n"], one["f"], np.uint8) if isinstance(one["f"], int) else np.frombuffer(one["f"], np.uint8)
            for one in packed
        ]
    )


def _divide(columns: Any, decimals: Sequence[int], counts: Column) -> None:
    """Take the decimals of each document off whole numbers."""
    powers = [10.0**each for each in decimals]
    power = powers[0] if len(set(powers)) == 1 else np.repeat(powers, counts)
    for column in columns:
        column /= power


def _fill(column: Column, parts: Sequence[Column]) -> None:
    if parts:
        np.concatenate(parts, out=column)


def _read(packed: bytes) -> Column:
    """What ``packing`` wrote as whole numbers, as narrow as they are."""
    return np.frombuffer(packed, WIDTHS[packed[0]], offset=1)

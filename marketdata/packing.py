"""Columns of bars as few bytes: every value comes back to the last bit, or is kept as the double that it is.

Prices and volumes are decimals at heart: where all of a column are whole numbers of some 10**-d, those are kept, as
differences to the close before (opens and closes) and to the body of the bar (highs and lows), in as few bytes as the
largest needs. Times that come at one pace are kept as the first and the pace.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from bson.binary import Binary
from numpy.typing import NDArray

Column = NDArray[Any]
Document = dict[str, Any]
_MOST_DECIMALS = 9
_EXACT = float(1 << 52)  # so that the difference of two such numbers is an exact double, too
WIDTHS = ("<i1", "<i2", "<i4", "<i8")
FINAL, PARTIAL = 1, 2
UNKNOWN_TRADES = -1


class Columns(NamedTuple):
    """Bars of one series as arrays of one length, ascending by ``open_time``.

    ``open_time``: ``datetime64[s]``, UTC, the bars' keys. Prices and volume: float64, on today's scale where the series
    was split. ``trades``: int64, -1 where not known. ``flags``: uint8; see ``final`` and ``partial``.
    """

    open_time: Column
    open: Column
    high: Column
    low: Column
    close: Column
    volume: Column
    trades: Column
    flags: Column

    @property
    def final(self) -> Column:
        """Whether the provider's history told or confirmed the bar."""
        return self._has(FINAL)

    @property
    def partial(self) -> Column:
        """Whether ticks of the bar's span are known to be missing."""
        return self._has(PARTIAL)

    def _has(self, flag: int) -> Column:
        found: Column = (self.flags & flag) != 0
        return found


def pack(columns: Columns) -> Document:
    """The fields of a document that holds ``columns``."""
    prices = columns[1:5]
    decimals = next((d for d in range(_MOST_DECIMALS + 1) if all(_is_whole(one, d) for one in prices)), None)
    packed: Document = {"n": len(columns.open), "t": _pack_times(columns.open_time.astype(np.int64))}
    if decimals is None:
        packed["p"] = [_bytes(one.astype("<f8")) for one in prices]
    else:
        packed["d"] = decimals
        whole = [_whole(one, decimals) for one in prices]
        packed["b"] = int(whole[3][0]) if len(whole[3]) else 0  # what the first bar differs from
        packed["p"] = [_narrow(one) for one in _differences(whole[0], whole[1], whole[2], whole[3], packed["b"])]
    packed["v"] = _pack_volume(columns.volume)
    packed["k"] = _narrow(columns.trades) if (columns.trades != UNKNOWN_TRADES).any() else None
    packed["f"] = _constant_or(columns.flags)
    return packed


def joined(parts: Sequence[Columns]) -> Columns:
    """Columns one after the other, of one part at least."""
    if len(parts) == 1:
        return parts[0]
    return Columns(*map(np.concatenate, zip(*parts, strict=True)))


def _is_whole(values: Column, decimals: int) -> bool:
    """Whether each value is the double nearest to some whole number of 10**-decimals."""
    power = 10.0**decimals
    with np.errstate(over="ignore"):  # what is too large is no whole number either
        scaled = np.rint(values * power)
    if not (np.abs(scaled) < _EXACT).all() or (scaled / power != values).any():
        return False
    return not (np.signbit(values) & (values == 0)).any()  # no whole number is a negative zero


def _whole(values: Column, decimals: int) -> Column:
    found: Column = np.rint(values * 10.0**decimals).astype(np.int64)
    return found


def _differences(opened: Column, high: Column, low: Column, close: Column, base: int) -> tuple[Column, ...]:
    before = np.concatenate((np.array([base], np.int64), close[:-1])) if len(close) else close
    return opened - before, high - np.maximum(opened, close), np.minimum(opened, close) - low, close - before


def _narrow(values: Column) -> Binary:
    """Whole numbers in as few bytes as all of them fit in; the first byte tells how many."""
    least, most = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    width = next(place for place in range(4) if -(1 << (8 << place) - 1) <= least and most < 1 << (8 << place) - 1)
    return Binary(bytes([width]) + values.astype(WIDTHS[width]).tobytes())


def _bytes(values: Column) -> Binary:
    return Binary(np.ascontiguousarray(values).tobytes())


def _pack_times(times: Column) -> Any:
    """``[first, pace]``, or the first and the differences."""
    if len(times) < 2:
        return [int(times[0]) if len(times) else 0, 0]
    steps = np.diff(times)
    return [int(times[0]), int(steps[0]) if (steps == steps[0]).all() else _narrow(steps)]


def _pack_volume(volume: Column) -> Any:
    decimals = next((d for d in range(_MOST_DECIMALS + 1) if _is_whole(volume, d)), None)
    return _bytes(volume.astype("<f8")) if decimals is None else [decimals, _narrow(_whole(volume, decimals))]


def _constant_or(flags: Column) -> Any:
    if len(flags) and (flags == flags[0]).all():
        return int(flags[0])
    return _bytes(flags)

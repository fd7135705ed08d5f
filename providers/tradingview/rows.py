"""Bars as they send them, decoded straight into structs. Nothing foreign passes unchecked: see ``Chart.take``."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from providers.tradingview.messages import BROKEN

# The ids that we give: one series a chart session.
SERIES = "sds_1"
TURNAROUND = "s1"
MAX_VALUE = 1e15  # 1e+100 stands for "no value"

BARS_START = b'{"m":"timescale_update"'
LOADING_START = b'{"m":"series_loading"'
_LATEST_TIME = 2**33  # the year 2242


class Row(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """A bar as they send it: ``[time, open, high, low, close, volume]``, ``time`` being its start in epoch seconds.

    ``volume`` is None at symbols without one (5 values).
    """

    time: float
    open: float
    high: float
    low: float
    close: float
    volume: float | None = None

    def without_volume(self) -> Row:
        """The same where the volume is no figure that can be meant."""
        return Row(self.time, self.open, self.high, self.low, self.close)


class Element(msgspec.Struct, gc=False):
    """One bar of a series; its index in the chart is nothing to us."""

    v: Row


class SeriesData(msgspec.Struct, gc=False):
    """What an update says of our series; ``t`` names the request that it answers."""

    s: list[Element] = []  # msgspec copies it
    t: str = TURNAROUND


class _Objects(msgspec.Struct, gc=False):
    sds_1: SeriesData | UnsetType = UNSET  # named by SERIES; what others are told is skipped undecoded


class _Params(msgspec.Struct, array_like=True, gc=False):
    session: str
    objects: _Objects


class _BarsCall(msgspec.Struct, gc=False):
    p: _Params


class _Session(msgspec.Struct, array_like=True, gc=False):
    id: str


class _Stamped(msgspec.Struct, gc=False):
    p: _Session
    t: float = 0.0


_decode_bars = msgspec.json.Decoder(_BarsCall).decode
_decode_stamp = msgspec.json.Decoder(_Stamped).decode


def parse_bars(payload: bytes) -> tuple[str, SeriesData | None] | None:
    """A ``timescale_update`` in which all is as it should be: its session and what it says of our series, if it does.

    None where anything is odd: then it is to be read the long way, value by value.
    """
    try:
        params = _decode_bars(payload).p
    except BROKEN:
        return None
    series = params.objects.sds_1
    return params.session, None if isinstance(series, UnsetType) else series


def parse_stamp(payload: bytes) -> tuple[str, int] | None:
    """The session and the provider's time (epoch seconds) of a chart message; None where it does not say."""
    try:
        stamped = _decode_stamp(payload)
    except BROKEN:
        return None
    return (stamped.p.id, int(stamped.t)) if 0 < stamped.t < _LATEST_TIME else None


def row_of(values: list[Any]) -> Row | None:
    """``[time, open, high, low, close, volume?]`` as a row, None if it is no bar."""
    if not 5 <= len(values) <= 6 or not all(_is_number(value) for value in values[:5]):
        return None
    time, open_, high, low, close = (float(value) for value in values[:5])
    if not (low <= open_ <= high and low <= close <= high and low > -MAX_VALUE and high < MAX_VALUE):
        return None
    if time != int(time):
        return None
    volume = float(values[5]) if len(values) == 6 and _is_number(values[5]) and 0 <= values[5] <= MAX_VALUE else None
    return Row(time, open_, high, low, close, volume)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every double
        return False

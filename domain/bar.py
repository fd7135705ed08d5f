"""Bar: open, high, low, close and volume of one symbol over one interval."""

from __future__ import annotations

import math
from datetime import datetime
from enum import StrEnum

import msgspec

from domain.interval import Interval

_INF = math.inf


class BarState(StrEnum):
    """How sure a bar is."""

    FORMING = "forming"  # its span is not over; never stored
    PROVISIONAL = "provisional"  # closed by us, not yet confirmed by the provider's history
    FINAL = "final"  # from, or confirmed equal to, the provider's history


class BarSource(StrEnum):
    """Where a bar came from."""

    STREAM = "stream"
    HISTORY = "history"
    ROLLUP = "rollup"
    IMPORT = "import"


_FINAL = BarState.FINAL  # reading a member through its enum costs more than a global
_HISTORY = BarSource.HISTORY


class Bar(msgspec.Struct, frozen=True, gc=False):
    """OHLCV of one symbol over its span ``[starts_at, close_time)``, named by ``open_time``; all aware and in UTC.

    Prices are in the quote currency, volume in units of the base; ``trades`` is None where it is not known.
    ``partial`` says that ticks of the span are known to be missing. ``open_time`` is the bar's key: the start of
    the span for intraday bars, the trading date at 00:00 UTC for days under a session calendar (it may lie
    outside the span). Raises ValueError if a value is not finite or high and low do not enclose open and close.

    Bars are made by the thousand: a struct with its check costs a tenth of a frozen dataclass, and is nothing to the
    garbage collector.
    """

    symbol: str
    interval: Interval
    open_time: datetime
    starts_at: datetime
    close_time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int | None = None
    state: BarState = _FINAL
    source: BarSource = _HISTORY
    partial: bool = False

    def __post_init__(self) -> None:
        high, low = self.high, self.low
        if not (low <= self.open <= high and low <= self.close <= high):  # false for NaN too
            raise ValueError(f"{self.symbol} {self.interval} {self.open_time}: high and low do not enclose the bar")
        if not (low > -_INF and high < _INF and 0 <= self.volume < _INF):
            raise ValueError(f"{self.symbol} {self.interval} {self.open_time}: not finite, or a negative volume")

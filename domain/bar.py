"""Bar: open, high, low, close and volume of one symbol over one interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.interval import Interval


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """OHLCV of one symbol over its span ``[starts_at, close_time)``, named by ``open_time``; all aware and in UTC.

    Prices are in the quote currency, volume in units of the base; ``trades`` is None where it is not known.
    ``partial`` says that ticks of the span are known to be missing. ``open_time`` is the bar's key: the start of
    the span for intraday bars, the trading date at 00:00 UTC for days under a session calendar (it may lie
    outside the span). Raises ValueError if a value is not finite or high and low do not enclose open and close.
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
    state: BarState = BarState.FINAL
    source: BarSource = BarSource.HISTORY
    partial: bool = False

    def __post_init__(self) -> None:
        low, high = self.low, self.high
        if not (low <= self.open <= high and low <= self.close <= high):  # false for NaN too
            raise ValueError(f"{self.symbol} {self.interval} {self.open_time}: high and low do not enclose the bar")
        if not (-math.inf < low and high < math.inf and 0 <= self.volume < math.inf):
            raise ValueError(f"{self.symbol} {self.interval} {self.open_time}: not finite, or a negative volume")

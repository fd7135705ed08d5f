"""Bar: open, high, low, close and volume of one symbol over one interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

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


@dataclass(frozen=True, slots=True, kw_only=True, init=False)
class Bar:
    """OHLCV of one symbol over its span ``[starts_at, close_time)``, named by ``open_time``; all aware and in UTC.

    Prices are in the quote currency, volume in units of the base; ``trades`` is None where it is not known.
    ``partial`` says that ticks of the span are known to be missing. ``open_time`` is the bar's key: the start of
    the span for intraday bars, the trading date at 00:00 UTC for days under a session calendar (it may lie
    outside the span). Raises ValueError if a value is not finite or high and low do not enclose open and close.

    Written by hand because bars are made by the thousand: the ``__init__`` that dataclass writes for a frozen class
    stores each field through ``object.__setattr__`` and costs twice as much. See ``make_bar``.
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

    def __init__(
        self,
        *,
        symbol: str,
        interval: Interval,
        open_time: datetime,
        starts_at: datetime,
        close_time: datetime,
        open: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        trades: int | None = None,
        state: BarState = _FINAL,
        source: BarSource = _HISTORY,
        partial: bool = False,
    ) -> None:
        object.__setattr__(self, "__class__", _Draft)
        draft: _Draft = self  # type: ignore[assignment]  # since the line above
        make_bar(
            symbol, interval, open_time, starts_at, close_time,
            open, high, low, close, volume, trades, state, source, partial, draft,
        )  # fmt: skip


class _Draft:
    """A bar whose fields may still be set: the same slots as ``Bar``, so that one turns into the other in place."""

    __slots__ = Bar.__slots__

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
    trades: int | None
    state: BarState
    source: BarSource
    partial: bool


def make_bar(
    symbol: str,
    interval: Interval,
    open_time: datetime,
    starts_at: datetime,
    close_time: datetime,
    open_: float,
    high: float,
    low: float,
    close: float,
    volume: float,
    trades: int | None,
    state: BarState,
    source: BarSource,
    partial: bool,
    draft: _Draft | None = None,
) -> Bar:
    """``Bar(...)`` for hot loops: positional, the same checks, a sixth of what a frozen dataclass costs.

    ``draft`` is for ``Bar`` itself, which has its object already.
    """
    if not (low <= open_ <= high and low <= close <= high):  # false for NaN too
        raise ValueError(f"{symbol} {interval} {open_time}: high and low do not enclose the bar")
    if not (low > -_INF and high < _INF and 0 <= volume < _INF):
        raise ValueError(f"{symbol} {interval} {open_time}: not finite, or a negative volume")
    if draft is None:
        draft = _Draft()
    draft.symbol = symbol
    draft.interval = interval
    draft.open_time = open_time
    draft.starts_at = starts_at
    draft.close_time = close_time
    draft.open = open_
    draft.high = high
    draft.low = low
    draft.close = close
    draft.volume = volume
    draft.trades = trades
    draft.state = state
    draft.source = source
    draft.partial = partial
    draft.__class__ = Bar  # type: ignore[assignment]  # frozen from here on
    return draft  # type: ignore[return-value]  # it is one now

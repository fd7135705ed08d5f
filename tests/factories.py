"""Small builders, so that a test says only what it is about. Times are UTC; a bare clock time is on Monday 2026-01-05."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

from domain.bar import Bar, BarSource, BarState
from domain.calendars import get_calendar
from domain.instrument import LOTS_PER_UNIT, Instrument
from domain.interval import Interval
from domain.tick import Tick, tick_key

SYMBOL = "DEMO:BTCUSD"
_arrivals = itertools.count(1)


def at(text: str) -> dt.datetime:
    """``10:00:05``, ``2026-03-08 10:00`` or ``2026-03-08`` as an aware datetime in UTC."""
    if "-" not in text:
        text = f"2026-01-05 {text}"
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def second(text: str) -> int:
    """``at`` as whole epoch seconds."""
    return int(at(text).timestamp())


def ns(text: str) -> int:
    """``at`` in nanoseconds since 1970."""
    moment = at(text)
    return int(moment.replace(microsecond=0).timestamp()) * 10**9 + moment.microsecond * 1000


def instrument(symbol: str = SYMBOL, **fields: Any) -> Instrument:
    return Instrument(symbol=symbol, **fields)


def tick(
    time: str | int, price: float = 100.0, size: float = 1.0, *, seq: int | None = None, symbol: str = SYMBOL
) -> Tick:
    """One trade at ``time`` (text for ``at``, or ns); ``seq`` counts up by itself, as arrivals do."""
    time_ns = ns(time) if isinstance(time, str) else time
    return Tick(symbol, tick_key(time_ns, next(_arrivals) if seq is None else seq), price, round(size * LOTS_PER_UNIT))


def bar(
    time: str,
    interval: str = "1m",
    *,
    open: float = 100.0,
    high: float | None = None,
    low: float | None = None,
    close: float | None = None,
    volume: float = 1.0,
    trades: int | None = 1,
    calendar: str = "24/7",
    **fields: Any,
) -> Bar:
    """The bar that holds ``time`` under ``calendar``; provisional and from the stream unless said otherwise."""
    kind = Interval.parse(interval)
    window = get_calendar(calendar).window(kind, second(time))
    assert window is not None, f"{calendar} is closed at {time}"
    key, start, end = (dt.datetime.fromtimestamp(one, dt.UTC) for one in (window.key, window.start, window.end))
    close = open if close is None else close
    return Bar(
        **{
            "symbol": SYMBOL,
            "interval": kind,
            "open_time": key,
            "starts_at": start,
            "close_time": end,
            "open": open,
            "high": max(open, close) if high is None else high,
            "low": min(open, close) if low is None else low,
            "close": close,
            "volume": volume,
            "trades": trades,
            "state": BarState.PROVISIONAL,
            "source": BarSource.STREAM,
        }
        | fields
    )

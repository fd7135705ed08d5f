"""Small makers of what the store's tests need."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.bar import Bar, BarSource, BarState
from domain.instrument import Instrument
from domain.interval import Interval

START = datetime(2026, 1, 5, tzinfo=UTC)
BITCOIN = Instrument(symbol="DEMO:BTCUSD", id=7, provider="demo", price_decimals=2)
LENGTH = {Interval.M1: timedelta(minutes=1), Interval.H1: timedelta(hours=1), Interval.D1: timedelta(days=1)}


def bar(n: int = 0, *, instrument: Instrument = BITCOIN, interval: Interval = Interval.M1, **values: Any) -> Bar:
    """The ``n``-th bar after START; ``price`` sets all four prices, other values as in Bar."""
    opens = values.pop("open_time", START + n * LENGTH[interval])
    price = values.pop("price", 100.0 + n)
    given = {
        "open": price,
        "high": price + 1,
        "low": price - 1,
        "close": price + 0.5,
        "volume": 10.0,
    } | values
    return Bar(
        symbol=instrument.symbol,
        interval=interval,
        open_time=opens,
        starts_at=opens,
        close_time=opens + LENGTH[interval],
        **given,
    )


def streamed(n: int = 0, **values: Any) -> Bar:
    """The same as our own fold would deliver it."""
    return bar(n, **({"state": BarState.PROVISIONAL, "source": BarSource.STREAM, "trades": 3} | values))

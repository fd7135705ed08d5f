"""The watchlist beside the chart: registered symbols with a line of recent closes."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from domain.errors import StoreUnavailable
from domain.interval import Interval
from marketdata.repository import BarRepository
from symbols.models import Symbol

SHOWN = 60  # rows; a socket follows at most 100 symbols
SPARK_INTERVAL = Interval.M30
SPARK_BARS = 40
SPARK_WIDTH = 48
SPARK_HEIGHT = 24
_MARGIN = 3


class WatchRow(NamedTuple):
    """One symbol: ``closes`` of recent bars, oldest first, and ``points`` of an SVG polyline through them."""

    symbol: Symbol
    closes: list[float]
    points: str

    @property
    def last(self) -> float | None:
        return self.closes[-1] if self.closes else None


def watch_rows(symbols: list[Symbol], repository: BarRepository) -> list[WatchRow]:
    """A row for each symbol. While the store is away the rows have no lines: prices still arrive live."""
    closes: dict[int, list[float]] = {}
    with contextlib.suppress(StoreUnavailable):
        for symbol in symbols:
            rows = repository.rows(symbol.instrument(), SPARK_INTERVAL, None, None, limit=SPARK_BARS, newest_first=True)
            closes[symbol.pk] = [row.close for row in rows][::-1]
    return [WatchRow(symbol, closes.get(symbol.pk, []), spark_points(closes.get(symbol.pk, []))) for symbol in symbols]


def spark_points(closes: list[float]) -> str:
    """``x,y`` pairs of a line through ``closes`` that fills the box; empty for fewer than two."""
    if len(closes) < 2:
        return ""
    low, high = min(closes), max(closes)
    step = SPARK_WIDTH / (len(closes) - 1)
    scale = (SPARK_HEIGHT - 2 * _MARGIN) / (high - low) if high > low else 0.0
    base = SPARK_HEIGHT - _MARGIN if high > low else SPARK_HEIGHT / 2
    return " ".join(f"{step * i:.1f},{base - (close - low) * scale:.1f}" for i, close in enumerate(closes))

"""The last few closed bars of each series, as snapshots carry them until history has them."""

from __future__ import annotations

from datetime import datetime

from domain.bar import Bar
from quotes import messages

_KEPT = 5


class RecentBars:
    """Encoded closed bars by symbol, interval and open_time; the newest few of each series."""

    def __init__(self) -> None:
        self._bars: dict[str, dict[str, dict[datetime, bytes]]] = {}

    def add(self, bar: Bar, state: str) -> None:
        """Take in a closed bar, or a later version of one."""
        series = self._bars.setdefault(bar.symbol, {}).setdefault(bar.interval.value, {})
        series[bar.open_time] = messages.encode({**messages.bar_fields(bar), "state": state})
        if len(series) > _KEPT:
            del series[min(series)]

    def intervals(self, symbol: str) -> list[str]:
        return list(self._bars.get(symbol, ()))

    def array(self, symbol: str, interval: str) -> bytes:
        """The series' bars as a JSON array, oldest first."""
        series = self._bars[symbol][interval]
        return b"[" + b",".join(series[key] for key in sorted(series)) + b"]"

    def forget(self, symbol: str) -> None:
        self._bars.pop(symbol, None)

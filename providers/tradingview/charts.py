"""Chart sessions: resolving a symbol and loading its bars. Messages in, rows out; no socket, no clock.

One chart session holds one symbol and one series, which is what anonymous users are allowed; many share a socket.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from domain.errors import ProtocolError, ProviderError, ProviderRejected, ProviderUnavailable, UnknownSymbol
from providers.base import StreamEvent
from providers.tradingview.codec import encode_call
from providers.tradingview.messages import Call, new_session_id
from providers.tradingview.session import Session

_RESOLVE_ID = "sds_sym_1"
_SERIES = "sds_1"
_TURNAROUND = "s1"
_MOST_ROWS = 100_000  # far beyond any answer; a provider that sends more is broken
_MAX_VALUE = 1e15  # 1e+100 stands for "no value"
_LIMITED_SECONDS = 30.0


class Row(NamedTuple):
    """A bar as they send it; ``volume`` is None at symbols without one (5 values)."""

    open: float
    high: float
    low: float
    close: float
    volume: float | None


class Chart:
    """One chart session. ``failure`` is set once it is dead; ``rows`` are by start of bar, epoch seconds.

    The last row is the bar in progress while the market is open. ``broken`` counts rows that were no bars.
    """

    def __init__(self, symbol: str, random: Callable[[], float]) -> None:
        self.id = new_session_id("cs_", random)
        self.symbol = symbol
        self.info: dict[str, Any] | None = None
        self.rows: dict[int, Row] = {}
        self.update_mode = ""
        self.is_loaded = False
        self.failure: Exception | None = None
        self.broken = 0
        self.progress = 0  # grows with every message of this session, whatever it says

    def resolve_calls(self) -> list[str]:
        """Open the session and resolve the symbol."""
        spec = "=" + orjson.dumps({"symbol": self.symbol, "adjustment": "splits"}).decode()
        return [
            encode_call("chart_create_session", [self.id, ""]),
            encode_call("switch_timezone", [self.id, "Etc/UTC"]),
            encode_call("resolve_symbol", [self.id, _RESOLVE_ID, spec]),
        ]

    def series_calls(self, resolution: str, count: int) -> list[str]:
        """Load the newest ``count`` bars."""
        self.is_loaded = False
        return [encode_call("create_series", [self.id, _SERIES, _TURNAROUND, _RESOLVE_ID, resolution, count, ""])]

    def more_calls(self, count: int) -> list[str]:
        """Load ``count`` bars before those that are there."""
        self.is_loaded = False
        return [encode_call("request_more_data", [self.id, _SERIES, count])]

    def close_calls(self) -> list[str]:
        return [encode_call("chart_delete_session", [self.id])]

    def receive(self, call: Call) -> None:
        """Take in a call of this session."""
        self.progress += 1
        handler = _HANDLERS.get(call.m)
        if handler is not None and self.failure is None:
            handler(self, call)

    def _resolved(self, call: Call) -> None:
        info = call.p[2] if len(call.p) > 2 else None
        if isinstance(info, dict):
            self.info = info
        else:
            self.failure = ProtocolError(f"{self.symbol}: symbol_resolved without details")

    def _symbol_error(self, call: Call) -> None:
        reason = call.text(2)[:200] or "no reason given"
        if reason == "invalid symbol":
            self.failure = UnknownSymbol(f"{self.symbol}: the provider knows no such symbol")
        else:
            self.failure = ProviderRejected(f"{self.symbol}: {reason}")

    def _series_error(self, call: Call) -> None:
        self.failure = _refusal(self.symbol, call.text(3)[:200] or "no reason given")

    def _critical_error(self, call: Call) -> None:
        self.failure = _refusal(self.symbol, f"{call.text(1)[:100]} ({call.text(2)[:200]})")

    def _completed(self, call: Call) -> None:
        if call.text(1) == _SERIES and call.text(3) in ("", _TURNAROUND):
            self.update_mode = call.text(2)
            self.is_loaded = True

    def _data(self, call: Call) -> None:
        """``timescale_update`` and ``du``: bars by time, each replacing what was there. Others' keys are skipped."""
        objects = call.p[1] if len(call.p) > 1 else None
        series = objects.get(_SERIES) if isinstance(objects, dict) else None
        if not isinstance(series, dict) or series.get("t", _TURNAROUND) != _TURNAROUND:
            return
        items = series.get("s")
        for item in items if isinstance(items, list) else ():
            self._row(item)
        if len(self.rows) > _MOST_ROWS:
            self.failure = ProtocolError(f"{self.symbol}: more than {_MOST_ROWS} bars")

    def _row(self, item: object) -> None:
        values = item.get("v") if isinstance(item, dict) else None
        row = _row_of(values) if isinstance(values, list) else None
        if row is None:
            self.broken += 1
        else:
            self.rows[row[0]] = row[1]


_HANDLERS: dict[str, Callable[[Chart, Call], None]] = {
    "symbol_resolved": Chart._resolved,
    "symbol_error": Chart._symbol_error,
    "series_error": Chart._series_error,
    "critical_error": Chart._critical_error,
    "series_completed": Chart._completed,
    "timescale_update": Chart._data,
    "du": Chart._data,
}


def _row_of(values: list[Any]) -> tuple[int, Row] | None:
    """``[time, open, high, low, close, volume?]`` as a row, None if it is no bar."""
    if not 5 <= len(values) <= 6 or not all(_is_number(value) for value in values[:5]):
        return None
    time, open_, high, low, close = values[:5]
    if not (low <= open_ <= high and low <= close <= high and low > -_MAX_VALUE and high < _MAX_VALUE):
        return None
    if time != int(time):
        return None
    volume = values[5] if len(values) == 6 and _is_number(values[5]) and 0 <= values[5] <= _MAX_VALUE else None
    return int(time), Row(float(open_), float(high), float(low), float(close), volume)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _refusal(symbol: str, reason: str) -> ProviderError:
    """Limits pass; everything else would be refused again."""
    if "exceed limit" in reason or "rate reached" in reason:
        return ProviderUnavailable(f"{symbol}: {reason}", retry_after_seconds=_LIMITED_SECONDS)
    return ProviderRejected(f"{symbol}: {reason}")


class ChartSession(Session):
    """A connection that serves charts; each call goes to the chart whose session it names."""

    def __init__(self, *, token: str = "", random: Callable[[], float]) -> None:
        super().__init__(token=token, random=random)
        self.charts: dict[str, Chart] = {}

    def _call(self, call: Call, now_ns: int, events: list[StreamEvent]) -> None:
        chart = self.charts.get(call.text(0))
        if chart is not None:
            chart.receive(call)

"""Chart sessions: resolving a symbol and loading its bars. Messages in, rows out; no socket, no clock.

One chart session holds one symbol and one series, which is what anonymous users are allowed; many share a socket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from domain.errors import ProtocolError, ProviderError, ProviderRejected, ProviderUnavailable, UnknownSymbol
from providers.base import StreamEvent
from providers.tradingview.codec import encode_call
from providers.tradingview.messages import Call, Unreadable, new_session_id
from providers.tradingview.rows import (
    BARS_START,
    LOADING_START,
    MAX_VALUE,
    SERIES,
    TURNAROUND,
    Row,
    SeriesData,
    parse_bars,
    parse_stamp,
    row_of,
)
from providers.tradingview.session import Session

_RESOLVE_ID = "sds_sym_1"
_MOST_ROWS = 100_000  # far beyond any answer; a provider that sends more is broken
_LIMITED_SECONDS = 30.0


class Chart:
    """One chart session. ``failure`` is set once it is over; ``rows`` are by start of bar, epoch seconds.

    The last row is the bar in progress while the market is open. ``began_at`` is the provider's own time when it took
    the first load in hand, epoch seconds; None where it does not say. ``broken`` counts rows that were no bars.
    """

    def __init__(self, symbol: str, random: Callable[[], float]) -> None:
        self.id = new_session_id("cs_", random)
        self.symbol = symbol
        self.info: dict[str, Any] | None = None
        self.rows: dict[int, Row] = {}
        self.update_mode = ""
        self.is_loaded = False
        self.failure: ProviderError | UnknownSymbol | None = None
        self.is_alive = True  # at the provider: a session that is dead there must not be named any more
        self.began_at: int | None = None
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
        return [encode_call("create_series", [self.id, SERIES, TURNAROUND, _RESOLVE_ID, resolution, count, ""])]

    def more_calls(self, count: int) -> list[str]:
        """Load ``count`` bars before those that are there."""
        self.is_loaded = False
        return [encode_call("request_more_data", [self.id, SERIES, count])]

    def close_calls(self) -> list[str]:
        """End the session. Naming one that is dead already would end the connection, and with it other charts."""
        return [encode_call("chart_delete_session", [self.id])] if self.is_alive else []

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
        self.is_alive = False
        self.failure = _refusal(self.symbol, f"{call.text(1)[:100]} ({call.text(2)[:200]})")

    def _completed(self, call: Call) -> None:
        if call.text(1) == SERIES and call.text(3) in ("", TURNAROUND):
            self.update_mode = call.text(2)
            self.is_loaded = True

    def spoil(self) -> None:
        """Something unreadable came that may have been part of the answer: what is missing cannot be seen in it."""
        if self.failure is None:
            self.failure = ProtocolError(f"{self.symbol}: part of the answer was unreadable")

    def take(self, series: SeriesData) -> None:
        """Bars by time, each replacing what was there: the short way for an answer in which all is well-formed."""
        self.progress += 1
        if series.t != TURNAROUND or self.failure is not None:
            return
        rows = self.rows
        for item in series.s:
            row = item.v
            low, high, volume = row.low, row.high, row.volume
            second = int(row.time)
            if (
                low <= row.open <= high
                and low <= row.close <= high
                and low > -MAX_VALUE
                and high < MAX_VALUE
                and second == row.time
            ):
                rows[second] = row if volume is None or 0 <= volume <= MAX_VALUE else row.without_volume()
            else:
                self.broken += 1
        self._check_count()

    def _data(self, call: Call) -> None:
        """``timescale_update`` and ``du``, the long way. Others' keys are skipped."""
        objects = call.p[1] if len(call.p) > 1 else None
        series = objects.get(SERIES) if isinstance(objects, dict) else None
        if not isinstance(series, dict) or series.get("t", TURNAROUND) != TURNAROUND:
            return
        items = series.get("s")
        for item in items if isinstance(items, list) else ():
            values = item.get("v") if isinstance(item, dict) else None
            row = row_of(values) if isinstance(values, list) else None
            if row is None:
                self.broken += 1
            else:
                self.rows[int(row.time)] = row
        self._check_count()

    def _check_count(self) -> None:
        if len(self.rows) > _MOST_ROWS:
            self.failure = ProtocolError(f"{self.symbol}: more than {_MOST_ROWS} bars")


_HANDLERS: dict[str, Callable[[Chart, Call], None]] = {
    "symbol_resolved": Chart._resolved,
    "symbol_error": Chart._symbol_error,
    "series_error": Chart._series_error,
    "critical_error": Chart._critical_error,
    "series_completed": Chart._completed,
    "timescale_update": Chart._data,
    "du": Chart._data,
}


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

    def _read(self, payload: bytes, now_ns: int, events: list[StreamEvent]) -> None:
        if payload.startswith(BARS_START) and (bars := parse_bars(payload)) is not None:
            session_id, series = bars
            chart = self.charts.get(session_id)
            if chart is not None and series is not None:
                chart.take(series)
            return
        faults = len(self._faults)
        super()._read(payload, now_ns, events)
        if len(self._faults) > faults:
            self._spoil(payload)
        elif payload.startswith(LOADING_START):
            self._note_time(payload)

    def _note_time(self, payload: bytes) -> None:
        stamp = parse_stamp(payload)
        chart = self.charts.get(stamp[0]) if stamp is not None else None
        if stamp is not None and chart is not None and chart.began_at is None:
            chart.began_at = stamp[1]

    def _call(self, call: Call, now_ns: int, events: list[StreamEvent]) -> None:
        chart = self.charts.get(call.text(0))
        if chart is not None:
            chart.receive(call)

    def _spoil(self, payload: bytes) -> None:
        """An unreadable packet spoils the answer of the chart that it names, and of all if it names none."""
        named = [chart for chart in self.charts.values() if chart.id.encode() in payload]
        for chart in named or self.charts.values():
            chart.spoil()

    def _report(self, now_ns: int, events: list[StreamEvent]) -> None:
        """Where packets could not be told apart, nobody knows whose they were."""
        if not all(isinstance(fault, Unreadable) for fault in self._faults):
            for chart in self.charts.values():
                chart.spoil()
        super()._report(now_ns, events)

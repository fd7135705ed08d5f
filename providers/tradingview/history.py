"""The blocking socket of history: one connection for many loads, one load at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from domain.errors import ProtocolError, ProviderRejected, ProviderUnavailable
from providers.base import StreamEvent
from providers.tradingview.charts import Chart, ChartSession
from providers.tradingview.endpoint import socket_options
from providers.tradingview.failures import Stalled, explain

_IDLE_SECONDS = 10.0  # unanswered heartbeats: the service closes after about 30 s, so an idle socket is not reused
_MOST_LOADS = 20  # connections are said to degrade after about so many


class HistoryConnection:
    """Runs chart sessions. It connects when it must and is safe to use from several threads, one after another.

    ``load_seconds`` bounds the wait for the next message of the load; heartbeats don't prolong it.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        random: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
        load_seconds: float = 20.0,
    ) -> None:
        self._url = url
        self._monotonic = monotonic
        self._load_seconds = load_seconds
        self._session = ChartSession(token=token, random=random)
        self._random = random
        self._socket: ClientConnection | None = None
        self._loads = 0
        self._used_at = 0.0
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the socket; the next load opens another."""
        with self._lock:
            self._drop()

    @contextmanager
    def chart(self, symbol: str) -> Iterator[Chart]:
        """A chart session for the length of a block, its symbol resolved, this thread alone on the connection.

        Raises UnknownSymbol, ProviderRejected, ProviderUnavailable, ProtocolError.
        """
        with self._lock:
            chart = self._resolved(symbol)
            try:
                yield chart
            finally:
                del self._session.charts[chart.id]
                with suppress(ProviderUnavailable, ProtocolError):
                    self._send(chart.close_calls())

    def load(self, chart: Chart, calls: list[str]) -> None:
        """Send ``calls`` and read until the load is complete. Raises what ``chart`` raises.

        Also ProtocolError when something unreadable came meanwhile: it may have been bars.
        """
        garbage = self._session.garbage
        self._send(calls)
        self._read(chart, lambda: chart.is_loaded)
        if self._session.garbage != garbage:
            raise ProtocolError(f"{chart.symbol}: part of the answer was unreadable")

    def _resolved(self, symbol: str) -> Chart:
        """A chart with its symbol resolved. A socket that was used before may have died since: one more try."""
        is_reused = self._open()
        try:
            return self._resolve(symbol)
        except ProviderUnavailable:
            if not is_reused or self._socket is not None:
                raise
        self._open()
        return self._resolve(symbol)

    def _resolve(self, symbol: str) -> Chart:
        chart = Chart(symbol, self._random)
        self._session.charts[chart.id] = chart
        try:
            self._send(chart.resolve_calls())
            self._read(chart, lambda: chart.info is not None)
        except BaseException:
            del self._session.charts[chart.id]
            raise
        return chart

    def _open(self) -> bool:
        """Make sure that there is a socket; returns whether it is an old one."""
        self._loads += 1
        idle = self._monotonic() - self._used_at
        if self._socket is not None and idle < _IDLE_SECONDS and self._loads <= _MOST_LOADS:
            return True
        self._drop()
        self._loads = 1
        try:
            self._socket = connect(self._url, legacy=True, **socket_options(self._url))
        except (OSError, WebSocketException) as error:
            raise self._unavailable(error) from error
        self._session.open(0)
        self._send(self._session.take_outgoing())
        return False

    def _send(self, calls: list[str]) -> None:
        if self._socket is None:
            raise ProviderUnavailable("the connection is gone")
        try:
            for call in calls:
                self._socket.send(call)
        except (OSError, WebSocketException) as error:
            self._read_farewell()
            self._drop()
            raise self._unavailable(error) from error

    def _read_farewell(self) -> None:
        """A connection that was closed may have left its reason unread: a refused token, say. Raises it if so."""
        with suppress(ProviderUnavailable):
            while self._socket is not None:
                self._receive(0.0)

    def _read(self, chart: Chart, is_done: Callable[[], bool]) -> None:
        """Read until ``is_done`` or the chart failed."""
        deadline = self._monotonic() + self._load_seconds
        while not is_done() and chart.failure is None:
            progress = chart.progress
            self._receive(max(deadline - self._monotonic(), 0.0))
            if chart.progress != progress:
                deadline = self._monotonic() + self._load_seconds
        self._used_at = self._monotonic()
        if chart.failure is not None:
            raise chart.failure

    def _receive(self, timeout_seconds: float) -> None:
        if self._socket is None:
            raise ProviderUnavailable("the connection is gone")
        ignored: list[StreamEvent] = []
        try:
            message = self._socket.recv(timeout=timeout_seconds, decode=False)
            self._session.receive(message, 0, ignored)
        except TimeoutError as error:
            self._drop()
            raise Stalled(f"no answer within {self._load_seconds:g} s") from error
        except ProtocolError as error:
            self._drop()
            if "auth token" in str(error):
                raise ProviderRejected("the provider refuses the token") from error
            raise
        except (OSError, WebSocketException) as error:
            self._drop()
            raise self._unavailable(error) from error
        self._send(self._session.take_outgoing())

    def _unavailable(self, error: Exception) -> ProviderUnavailable:
        failure = explain(error)
        return ProviderUnavailable(failure.reason, retry_after_seconds=failure.at_least_seconds or None)

    def _drop(self) -> None:
        if self._socket is not None:
            socket, self._socket = self._socket, None
            with suppress(OSError, WebSocketException):
                socket.close()

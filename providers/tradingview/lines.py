"""One socket of history, shared by loads in as many threads as there are.

No thread of its own reads it: of those that wait for an answer one reads for all, and when it has got its own, another
goes on. So an idle connection costs nothing, and a load alone costs no change of threads.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from contextlib import suppress

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from domain.errors import ProtocolError, ProviderError, ProviderRejected, ProviderUnavailable
from providers.base import StreamEvent
from providers.tradingview.charts import Chart, ChartSession
from providers.tradingview.endpoint import socket_options
from providers.tradingview.failures import Stalled, explain

_IDLE_SECONDS = 10.0  # unanswered heartbeats: the service closes after about 30 s, so an idle socket is not reused
_MOST_LOADS = 20  # connections are said to degrade after about so many
_LONGEST_LOADS = 2  # times the silence that a load may keep: an answer that trickles in for ever ends too


class ConnectionLost(ProviderUnavailable):
    """A connection that was open ended, perhaps for reasons of another load: worth one more try at once."""


class Line:
    """A connection and the charts on it. Every method may be called from any thread.

    ``enter`` before use and ``leave`` after it. A line that is not to be used any more (old, idle for long, broken)
    takes in nobody and closes when the last one has left.
    """

    def __init__(self, session: ChartSession, *, monotonic: Callable[[], float], silence_seconds: float) -> None:
        self._session = session
        self._monotonic = monotonic
        self._silence_seconds = silence_seconds
        self._socket: ClientConnection | None = None
        self._failure: ProviderError | None = None
        self._turn = threading.Condition()  # guards all of this and the session
        self._is_read = False  # by one of those that wait
        self._is_retired = False
        self._loads = 0
        self._inside = 0
        self._heard_at = monotonic()

    @property
    def is_over(self) -> bool:
        return self._is_retired and not self._inside

    def enter(self) -> bool:
        """Whether there is room for one more load."""
        with self._turn:
            is_stale = not self._inside and self._monotonic() - self._heard_at >= _IDLE_SECONDS
            if self._is_retired or is_stale or self._loads >= _MOST_LOADS:
                return False
            self._loads += 1
            self._inside += 1
            return True

    def leave(self) -> None:
        with self._turn:
            self._inside -= 1
        self._close_if_over()

    def retire(self) -> None:
        """Take in nobody any more."""
        with self._turn:
            self._is_retired = True
        self._close_if_over()

    def end(self, failure: ProviderError) -> None:
        """End the connection, and with ``failure`` all that wait for it."""
        with self._turn:
            self._fail(failure)
            socket, self._socket = self._socket, None
        _close(socket)

    def connect(self, url: str) -> None:
        """Open the connection; others may be waiting for that already. Raises ProviderUnavailable."""
        try:
            socket = connect(url, legacy=True, **socket_options(url))
        except (OSError, WebSocketException) as error:
            with self._turn:
                self._fail(_unavailable(error))
            raise _unavailable(error) from error
        except BaseException:
            with self._turn:  # or the others would wait for ever
                self._fail(ProviderUnavailable("connecting was interrupted"))
            raise
        with self._turn:
            is_wanted = self._failure is None
            if is_wanted:
                self._socket = socket
                self._heard_at = self._monotonic()
                self._session.open(0)
                self._send(socket, self._session.take_outgoing())
                self._turn.notify_all()
        if not is_wanted:
            _close(socket)
        self._check()

    def await_open(self) -> None:
        """Wait for the one that connects. Raises what it met."""
        with self._turn:
            while self._socket is None and self._failure is None:
                self._turn.wait()
            self._check()

    def add(self, chart: Chart) -> None:
        """Let the chart have the messages of its session."""
        with self._turn:
            self._session.charts[chart.id] = chart

    def remove(self, chart: Chart) -> None:
        """The provider is told, if it can be, that nobody waits for the chart any more."""
        with self._turn:
            del self._session.charts[chart.id]
            if self._socket is not None and self._failure is None:
                self._send(self._socket, chart.close_calls())

    def ask(self, chart: Chart, calls: list[str], is_done: Callable[[], bool]) -> None:
        """Send ``calls`` and return once ``is_done``. Raises what the chart or the connection failed with.

        ``Stalled`` if no message of this chart comes for a while; what others are sent, and heartbeats, don't count.
        """
        with self._turn:
            self._check()
            if self._socket is not None:
                self._send(self._socket, calls)
            ends = self._monotonic() + _LONGEST_LOADS * self._silence_seconds
            self._await(chart, is_done, ends)
        if chart.failure is not None:
            raise chart.failure

    def _await(self, chart: Chart, is_done: Callable[[], bool], ends: float) -> None:
        progress, deadline = chart.progress, self._monotonic() + self._silence_seconds
        while not is_done() and chart.failure is None:
            self._check()
            if chart.progress != progress:
                progress, deadline = chart.progress, self._monotonic() + self._silence_seconds
            left = min(deadline, ends) - self._monotonic()
            if left <= 0:
                self._is_retired = True  # it may be the connection: nothing new is begun on it
                raise Stalled(f"{chart.symbol}: no answer within {self._silence_seconds:g} s")
            if self._is_read or self._socket is None:
                self._turn.wait(left)
            else:
                self._read(self._socket, left)

    def _read(self, socket: ClientConnection, timeout_seconds: float) -> None:
        """Take in the next message, whosever it is."""
        self._is_read = True
        self._turn.release()
        message: bytes | None = None
        failure: Exception | None = None
        try:
            message = socket.recv(timeout=timeout_seconds, decode=False)
        except TimeoutError:
            pass  # the caller looks at its deadline
        except (OSError, WebSocketException) as error:
            failure = error
        finally:
            self._turn.acquire()
            self._is_read = False
            self._turn.notify_all()
        if failure is not None:
            self._fail(ConnectionLost(explain(failure).reason))
        if message is not None:
            self._take(socket, message)

    def _take(self, socket: ClientConnection, message: bytes) -> None:
        self._heard_at = self._monotonic()
        ignored: list[StreamEvent] = []
        try:
            self._session.receive(message, 0, ignored)
        except ProtocolError as error:
            refused = "auth token" in str(error)
            self._fail(ProviderRejected("the provider refuses the token") if refused else error)
            return
        self._send(socket, self._session.take_outgoing())

    def _send(self, socket: ClientConnection, calls: list[str]) -> None:
        """Where this fails, reading tells why: the other side's last words may be waiting there, unread."""
        with suppress(OSError, WebSocketException):
            for call in calls:
                socket.send(call)

    def _check(self) -> None:
        """Each thread gets an error of its own, or their tracebacks would be joined."""
        if self._failure is not None:
            raise copy.copy(self._failure)

    def _fail(self, failure: ProviderError) -> None:
        self._failure = self._failure or failure
        self._is_retired = True
        self._turn.notify_all()

    def _close_if_over(self) -> None:
        with self._turn:
            socket = None
            if self.is_over:
                socket, self._socket = self._socket, None
        _close(socket)


def _unavailable(error: Exception) -> ProviderUnavailable:
    failure = explain(error)
    return ProviderUnavailable(failure.reason, retry_after_seconds=failure.at_least_seconds or None)


def _close(socket: ClientConnection | None) -> None:
    if socket is not None:
        with suppress(OSError, WebSocketException):
            socket.close()

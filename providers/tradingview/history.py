"""History over one connection: any number of loads at a time, each a chart session with deadlines of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from domain.errors import ProviderUnavailable
from providers.tradingview.charts import Chart, ChartSession
from providers.tradingview.lines import Line


class OpenChart:
    """A chart session whose symbol is resolved; used by one thread."""

    def __init__(self, line: Line, chart: Chart) -> None:
        self._line = line
        self.chart = chart

    def load(self, resolution: str, count: int) -> None:
        """Load the newest ``count`` bars. Raises as ``more`` does."""
        self._ask(self.chart.series_calls(resolution, count))

    def more(self, count: int) -> None:
        """Load ``count`` bars before those that are there.

        Raises ProviderRejected, ProviderUnavailable, and ProtocolError where something unreadable came, for it may
        have been bars.
        """
        self._ask(self.chart.more_calls(count))

    def _ask(self, calls: list[str]) -> None:
        self._line.ask(self.chart, calls, lambda: self.chart.is_loaded)


class HistoryConnection:
    """Runs chart sessions, connecting when it must. Every method may be called from any thread.

    ``load_seconds`` bounds the wait for the next message of a load; heartbeats and other loads don't prolong it.
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
        self._url, self._token = url, token
        self._random, self._monotonic = random, monotonic
        self._load_seconds = load_seconds
        self._lock = threading.Lock()
        self._lines: list[Line] = []  # the last one is in use, those before it are being used up

    def close(self) -> None:
        """Close all; loads under way end with ProviderUnavailable. The next one opens another connection."""
        with self._lock:
            lines, self._lines = self._lines, []
        for line in lines:
            line.end(ProviderUnavailable("the connection was closed here"))

    @contextmanager
    def chart(self, symbol: str) -> Iterator[OpenChart]:
        """A chart session for the length of a block, its symbol resolved.

        Raises UnknownSymbol, ProviderRejected, ProviderUnavailable, ProtocolError.
        """
        line, is_new = self._enter()
        try:
            if is_new:
                line.connect(self._url)
            else:
                line.await_open()
            chart = Chart(symbol, self._random)
            line.add(chart)
            try:
                line.ask(chart, chart.resolve_calls(), lambda: chart.info is not None)
                yield OpenChart(line, chart)
            finally:
                line.remove(chart)
        finally:
            line.leave()

    def _enter(self) -> tuple[Line, bool]:
        """A line with room for one more, and whether it is still to be connected."""
        former = None
        with self._lock:
            if self._lines:
                former = self._lines[-1]
                if former.enter():
                    return former, False
            session = ChartSession(token=self._token, random=self._random)
            line = Line(session, monotonic=self._monotonic, silence_seconds=self._load_seconds)
            line.enter()
            self._lines = [*(one for one in self._lines if not one.is_over), line]
        if former is not None:
            former.retire()
        return line, True

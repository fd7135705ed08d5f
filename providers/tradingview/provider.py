"""The Provider: their names, times and volumes into ours. The demo market is the same class at another URL."""

from __future__ import annotations

import itertools
import math
import random as random_numbers
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

from domain.calendars import get_calendar
from domain.errors import NaiveTime, ProtocolError, UnknownCalendar, UnsupportedInterval
from domain.instrument import Instrument
from domain.interval import Interval
from providers.base import BarPage, Capabilities, SymbolMatch
from providers.tradingview.bars import Placed, closed, key_of, place, to_bars
from providers.tradingview.charts import Chart
from providers.tradingview.client import Timing, TradingViewStream
from providers.tradingview.history import HistoryConnection
from providers.tradingview.instruments import instrument_of
from providers.tradingview.lines import ConnectionLost
from providers.tradingview.messages import delay_of
from providers.tradingview.resolutions import RESOLUTIONS
from providers.tradingview.search import search_symbols

URL = "wss://data.tradingview.com/socket.io/websocket"
SEARCH_URL = "https://symbol-search.tradingview.com/symbol_search/v3/"
WINDOW_BARS = 5_000  # what anonymous users get of each interval, back from now
_PAGE_BARS = 5_000
_ATTEMPTS = 3
_SLACK_BARS = 2  # the bar in progress, and one that may begin meanwhile

_T = TypeVar("_T")


class TradingViewProvider:
    """TradingView, or whatever speaks its wire at ``url``. May be used from several threads at once.

    ``token`` is a signed-in user's; empty means anonymous. ``window_bars`` is how many bars of each interval the
    account may see, back from now. ``clock`` gives ns since 1970 (default: the machine's), ``random`` numbers in
    [0, 1).
    """

    def __init__(
        self,
        *,
        url: str = URL,
        search_url: str = SEARCH_URL,
        token: str = "",
        name: str = "tradingview",
        window_bars: int = WINDOW_BARS,
        clock: Callable[[], int] | None = None,
        random: Callable[[], float] = random_numbers.random,
        timing: Timing | None = None,
    ) -> None:
        self.name = name
        self.capabilities = Capabilities(window_bars=window_bars, page_bars=min(_PAGE_BARS, window_bars))
        self._window_bars = window_bars
        self._url, self._search_url, self._token = url, search_url, token
        self._clock, self._random, self._timing = clock, random, timing
        self._history = HistoryConnection(url, token=token, random=random)

    def close(self) -> None:
        """Close the connection of history; what is under way on it ends. Streams are closed by themselves."""
        self._history.close()

    def search(self, text: str, *, limit: int = 30) -> list[SymbolMatch]:
        """Symbols that match ``text``; none for blank text. Raises ProviderError."""
        return search_symbols(self._search_url, text, limit) if text.strip() else []

    def resolve(self, symbol: str) -> Instrument:
        """What the provider knows of ``symbol``. Raises UnknownSymbol, UnknownCalendar, ProviderError."""
        info = self._attempts(lambda: self._info(symbol))
        return instrument_of(symbol, info, provider=self.name)

    def stream(self) -> TradingViewStream:
        """A feed of ticks, quotes and feed events; nothing is followed before ``set_instruments``."""
        return TradingViewStream(
            self._url, token=self._token, random=self._random, clock=self._clock, timing=self._timing
        )

    def fetch_bars(
        self, instrument: Instrument, interval: Interval, start: datetime, end: datetime
    ) -> Iterator[BarPage]:
        """Closed bars with ``open_time`` in ``[start, end)``; see ``Provider.fetch_bars``.

        All is loaded before the first page is handed out, so that a slow consumer does not hold the connection.
        """
        if start.tzinfo is None or end.tzinfo is None:
            raise NaiveTime("fetch_bars: start and end need a zone")
        if interval not in RESOLUTIONS:
            raise UnsupportedInterval(f"{self.name} has no {interval} bars")
        return self._pages(instrument, interval, math.ceil(start.timestamp()), math.ceil(end.timestamp()))

    def _pages(self, instrument: Instrument, interval: Interval, start: int, end: int) -> Iterator[BarPage]:
        now = (self._clock or time.time_ns)() // 10**9
        if start >= end or start > now:
            return
        count = self._bars_since(instrument, interval, start, now)
        chart = self._attempts(lambda: self._load(instrument, interval, start, count))
        placed = place(instrument, interval, chart.rows)
        delay = max(delay_of(chart.update_mode), instrument.delay_seconds)
        # By the provider's clock, so that a wrong one of ours closes no bar early.
        complete = closed(placed, instrument, delay_seconds=delay, now=chart.began_at or now)
        wanted = [item for item in complete if start <= item[0].key < end]
        remarks = _remarks(instrument, chart, placed)
        bars = list(to_bars(instrument, interval, wanted))
        pages = [
            BarPage(bars[max(last - _PAGE_BARS, 0) : last], remarks=remarks)
            for last in range(len(bars), 0, -_PAGE_BARS)
        ]
        pages = pages or [BarPage(remarks=remarks)]
        oldest = min(placed.bars[0][0].key, end) if placed.bars else end
        if _is_expected(instrument, interval, start, oldest):
            pages[-1].truncated_before = datetime.fromtimestamp(oldest, UTC)
            pages[-1].reason = self._reason(chart)
        yield from pages

    def _reason(self, chart: Chart) -> str:
        """Why there is nothing older."""
        if len(chart.rows) >= self._window_bars:
            return f"beyond the provider's window of {self._window_bars} bars"
        return "none at provider"

    def _attempts(self, ask: Callable[[], _T]) -> _T:
        """Ask again, a few times, where an answer was partly unreadable or another load's end took the connection."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return ask()
            except (ProtocolError, ConnectionLost):
                continue
        return ask()

    def _info(self, symbol: str) -> dict[str, object]:
        with self._history.chart(symbol) as opened:
            return opened.chart.info or {}

    def _load(self, instrument: Instrument, interval: Interval, start: int, count: int) -> Chart:
        """All bars from ``start`` until now, as far as the window reaches: never more, whatever is sent."""
        with self._history.chart(instrument.provider_code) as opened:
            rows = opened.chart.rows
            opened.load(RESOLUTIONS[interval], min(count, _PAGE_BARS))
            known = 0
            while known < len(rows) < self._window_bars and key_of(instrument, interval, min(rows)) > start:
                known = len(rows)
                opened.more(min(_PAGE_BARS, self._window_bars - known))
        for time_ in sorted(rows)[: max(len(rows) - self._window_bars, 0)]:
            del rows[time_]
        return opened.chart

    def _bars_since(self, instrument: Instrument, interval: Interval, start: int, now: int) -> int:
        """How many bars back ``start`` lies, at most the window. A thin market has fewer, which does no harm."""
        try:
            windows = get_calendar(instrument.calendar).windows(interval, start, now + 1)
            expected = sum(1 for _ in itertools.islice(windows, self._window_bars))
        except UnknownCalendar:  # before the calendar begins, which is long before any window does
            return self._window_bars
        return min(expected + _SLACK_BARS, self._window_bars)


def _remarks(instrument: Instrument, chart: Chart, placed: Placed) -> list[str]:
    """What was odd, in words."""
    remarks = list(placed.remarks)
    if chart.broken:
        remarks.append(f"{chart.broken} bars left out: unreadable")
    silent = sum(row.volume is None for _, row in placed.bars) if instrument.has_volume else 0
    if silent:
        remarks.append(f"{silent} bars without a volume: taken for 0")
    return remarks


def _is_expected(instrument: Instrument, interval: Interval, start: int, end: int) -> bool:
    """Whether the calendar has a bar with a key in ``[start, end)``; where it does not reach, nobody knows better."""
    try:
        return next(get_calendar(instrument.calendar).windows(interval, start, end), None) is not None
    except UnknownCalendar:
        return start < end

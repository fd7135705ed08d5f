"""The loop: provider -> fold -> writer and publisher. Nothing here waits: both sinks have bounded queues of their own.

Called by one event loop: ``take`` for each message of a feed, ``sweep`` several times a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from domain.aggregation import Aggregator, BarEventKind
from domain.instrument import Instrument
from domain.interval import Interval
from domain.tick import Quote, Tick
from providers.base import FeedEvent, FeedEventKind, StreamEvent
from quotes.audit import AuditTrail
from quotes.board import StatusBoard
from quotes.feed import Feed
from quotes.pace import Pace
from quotes.publish import Publisher
from quotes.writer import Writer

_QUOTE_PERIOD_SECONDS = 0.1
_UNWATCHED_PERIOD_SECONDS = 1.0
_REVIEW_SECONDS = 1.0
_AUDITED = {
    FeedEventKind.CONNECTED,
    FeedEventKind.DISCONNECTED,
    FeedEventKind.SYMBOL_ERROR,
    FeedEventKind.DELAYED,
    FeedEventKind.GAP_VOLUME,
    FeedEventKind.CORRECTION,
    FeedEventKind.GARBAGE,
}


class Streamer:
    """Folds what the feeds say and hands the results on.

    ``on_away(instrument, since, reason)`` is called when nothing is heard of a symbol from epoch second ``since`` on:
    when it is followed, and when its feed is lost or refuses it. ``on_hole(symbol)`` when it is heard (again), so that
    ticks of it were missed before: at its first subscription and at each later one.
    """

    def __init__(
        self,
        *,
        aggregator: Aggregator,
        writer: Writer,
        publisher: Publisher,
        audit: AuditTrail,
        on_hole: Callable[[str], None],
        on_away: Callable[[Instrument, float, str], None] = lambda instrument, since, reason: None,
        clock_ns: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.aggregator = aggregator
        self.board = StatusBoard(publisher.status)
        self.instruments: dict[str, Instrument] = {}
        self._writer, self._publisher, self._audit = writer, publisher, audit
        self._on_hole, self._on_away = on_hole, on_away
        self._clock_ns, self._monotonic = clock_ns, monotonic
        self._watched: dict[str, set[Interval]] = {}
        self._forming_pace, self._quote_pace = Pace(), Pace(_QUOTE_PERIOD_SECONDS)
        self._idle_quote_pace = Pace(_UNWATCHED_PERIOD_SECONDS)
        self._quotes: dict[str, Quote] = {}
        self._last_tick_ns: dict[str, int] = {}
        self._left_at: dict[str, float] = {}
        self._subscribed: set[str] = set()
        self._review_at = 0.0

    # Who is followed and who is watched

    def follow(self, instrument: Instrument, feed: Feed) -> None:
        """Fold this symbol; doing it again takes over changed details."""
        self.aggregator.follow(instrument)
        self.board.follow(instrument, feed.state, self._monotonic())
        if instrument.symbol not in self.instruments:
            left_at = self._left_at.pop(instrument.symbol, None)
            reason = "" if left_at is None else "the streamer was stopped"
            self._on_away(instrument, self._clock_ns() / 1e9 if left_at is None else left_at, reason)
        self.instruments[instrument.symbol] = instrument

    def resume(self, symbol: str, last_ns: int, left_at: float) -> None:
        """An earlier run followed it until epoch second ``left_at``; a gap begins with its last trade, ``last_ns``."""
        self._last_tick_ns[symbol], self._left_at[symbol] = last_ns, left_at
        self._subscribed.add(symbol)

    def forget(self, symbol: str) -> None:
        """Stop folding it; what had closed has been handed on."""
        self.hand_on()
        self.aggregator.forget(symbol)
        self.board.forget(symbol)
        self._publisher.forget(symbol)
        for pace in (self._forming_pace, self._quote_pace, self._idle_quote_pace):
            pace.forget(symbol)
        for table in (self.instruments, self._quotes, self._last_tick_ns, self._left_at):
            table.pop(symbol, None)
        self._subscribed.discard(symbol)

    def watch(self, series: set[tuple[str, str]]) -> None:
        """These are looked at now; the bars of those that were not before are published at once."""
        watched: dict[str, set[Interval]] = {}
        for symbol, text in series:
            intervals = watched.setdefault(symbol, set())
            if text != "quote":
                intervals.add(Interval(text))
        before, self._watched = self._watched, watched
        for symbol, intervals in watched.items():
            for interval in intervals - before.get(symbol, set()):
                self._publish_forming(symbol, interval)
            if symbol not in before and symbol in self._quotes:
                self._publisher.quote(self._quotes[symbol], watched=True)

    # Events in

    def take(self, feed: Feed, events: list[StreamEvent]) -> None:
        """Fold one message of a feed."""
        now_ns, now = self._clock_ns(), self._monotonic()
        for event in events:
            if isinstance(event, Tick):
                self.aggregator.add(event, now_ns)
                self._last_tick_ns[event.symbol] = event.time_ns
                self._ticked(event.symbol, now)
            elif isinstance(event, Quote):
                self._quoted(event, now)
            else:
                self._happened(feed, event, now)
        if self.aggregator.events:
            self.hand_on()

    def sweep(self) -> None:
        """Close what is due, publish what had to wait for its turn, and judge each second how the symbols are."""
        self.aggregator.close_due(self._clock_ns())
        if self.aggregator.events:
            self.hand_on()
        now = self._monotonic()
        for symbol in self._forming_pace.due(now):
            self._publish_all_forming(symbol)
        for pace in (self._quote_pace, self._idle_quote_pace):
            for symbol in pace.due(now):
                if symbol in self._quotes:
                    self._publisher.quote(self._quotes[symbol], watched=symbol in self._watched)
        if now >= self._review_at:
            self._review_at = now + _REVIEW_SECONDS
            self.board.review(now, self._clock_ns() / 1e9)

    def _ticked(self, symbol: str, now: float) -> None:
        self.board.heard(symbol, now)
        if symbol in self._watched and self._forming_pace.change(symbol, now):
            self._publish_all_forming(symbol)

    def _quoted(self, quote: Quote, now: float) -> None:
        symbol = quote.symbol
        if symbol not in self.instruments:
            return
        self.board.heard(symbol, now)
        self._quotes[symbol] = quote
        is_watched = symbol in self._watched
        pace = self._quote_pace if is_watched else self._idle_quote_pace
        if pace.change(symbol, now):
            self._publisher.quote(quote, watched=is_watched)

    def _happened(self, feed: Feed, event: FeedEvent, now: float) -> None:
        symbol = event.symbol
        feed.note(event, now)
        if event.kind is FeedEventKind.DISCONNECTED:
            for one in feed.instruments.values():
                self._lost(feed, one.symbol, event.reason, now)
        if event.kind in _AUDITED:
            self._audit.note(
                event.kind.value, provider=feed.name, symbol=symbol or "", reason=event.reason, volume=event.volume
            )
        if event.kind is FeedEventKind.SYMBOL_ERROR and symbol is not None:
            self._lost(feed, symbol, event.reason, now)
        if symbol in self.instruments:
            self._happened_to(symbol, event, now)
        self._review_at = 0.0  # not now: a thousand symbols may be subscribed in one message

    def _happened_to(self, symbol: str, event: FeedEvent, now: float) -> None:
        kind = event.kind
        if kind is FeedEventKind.SUBSCRIBED:
            self._begin_anew(symbol, now)
        elif kind is FeedEventKind.SYMBOL_ERROR:
            self.board.refused(symbol, event.reason)
        elif kind is FeedEventKind.PROBED:
            self.board.probed(symbol, now)
        elif kind is FeedEventKind.DELAYED:
            self.board.delayed(symbol, event.delay_seconds)

    def _lost(self, feed: Feed, symbol: str, reason: str, now: float) -> None:
        instrument = self.instruments.get(symbol)
        if instrument is not None:
            self._on_away(instrument, self._clock_ns() / 1e9 - (now - feed.state.alive_at), reason)

    def _begin_anew(self, symbol: str, now: float) -> None:
        """The feed of a symbol begins, or begins again: between its last tick and now ticks were missed."""
        self.hand_on()
        self.aggregator.mark_gap(symbol)
        self.board.subscribed(symbol, now)
        last_ns = self._last_tick_ns.get(symbol)
        if last_ns is not None and symbol in self._subscribed:
            start = datetime.fromtimestamp(last_ns / 1e9, UTC)
            reason = "the feed was interrupted; history fills what is missing"
            self._publisher.gap(symbol, start, datetime.fromtimestamp(self._clock_ns() / 1e9, UTC), reason)
            self._audit.note("gap", symbol=symbol, reason=f"no ticks since {start.isoformat()}")
        self._subscribed.add(symbol)
        self._on_hole(symbol)

    # Results out

    def hand_on(self) -> None:
        """Pass on what the fold has emitted; for callers too that changed it themselves (seeding)."""
        for kind, bar in self.aggregator.drain():
            instrument = self.instruments.get(bar.symbol)
            if instrument is None or kind is BarEventKind.SETTLED:
                continue
            self._writer.put(instrument, bar)
            self._publisher.bar(bar, amended=kind is BarEventKind.AMENDED)

    def _publish_all_forming(self, symbol: str) -> None:
        for interval in self._watched.get(symbol, ()):
            self._publish_forming(symbol, interval)

    def _publish_forming(self, symbol: str, interval: Interval) -> None:
        bar = self.aggregator.forming(symbol, interval)
        if bar is not None:
            self._publisher.forming(bar)

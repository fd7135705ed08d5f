"""Probes: asking the provider whether a silent symbol is quiet or its feed is dead.

A probe subscribes the silent symbols once more, in a quote session of its own. The answer is their present state:
if it holds a trade that our subscription was not told of, the subscription is deaf, even if the socket lives. So is one
that was asked for while the provider was stalled, and that nobody will ever answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from providers.base import FeedEvent, FeedEventKind, StreamEvent
from providers.tradingview.codec import encode_call
from providers.tradingview.days import was_open
from providers.tradingview.messages import QuoteData, new_session_id
from providers.tradingview.quotes import SymbolQuote

ANSWER_NS = 5 * 10**9
_MOST = 50  # symbols a probe
_UNANSWERED_NS = 5 * 10**9


class Prober:
    """At most one probe at a time on one connection."""

    def __init__(self, outgoing: list[str], random: Callable[[], float]) -> None:
        self._outgoing = outgoing
        self._random = random
        self.session_id = ""
        self._asked: dict[str, SymbolQuote] = {}
        self._asked_ns = 0
        self._behind: dict[str, tuple[SymbolQuote, QuoteData, int]] = {}
        self._snapshot_ns = 0  # when a subscription was last answered: thousands take their time, one after the other

    def open(self) -> None:
        """A new connection: whatever was asked on the old one is forgotten."""
        self.session_id = ""
        self._asked.clear()
        self._behind.clear()

    def wake(self, quotes: Iterable[SymbolQuote], now_ns: int) -> str | None:
        """Ask for symbols that are silent for too long; returns why the feed must be taken for dead, or None."""
        for symbol_quote, data, since_ns in list(self._behind.values()):
            if not symbol_quote.is_behind(data.v):
                del self._behind[symbol_quote.name]
            elif now_ns - since_ns >= ANSWER_NS:
                symbol = symbol_quote.instrument.symbol
                if not symbol_quote.is_completed:
                    return f"stalled: the subscription of {symbol} was never answered"
                return f"stalled: {symbol} traded and we were not told"
        if self._asked:
            if now_ns - self._asked_ns < ANSWER_NS:
                return None
            symbol = next(iter(self._asked.values())).instrument.symbol
            return f"stalled: no answer to a probe of {symbol} within {ANSWER_NS // 10**9} s"
        silent = [
            quote
            for quote in quotes
            if quote.name not in self._behind and (_is_silent(quote, now_ns) or self._is_unanswered(quote, now_ns))
        ]
        self._ask(silent[:_MOST], now_ns)
        return None

    def hold(self, now_ns: int) -> None:
        """Nothing is being read at present: the time for answers starts anew."""
        self._asked_ns = self._snapshot_ns = now_ns
        self._behind = {name: (quote, data, now_ns) for name, (quote, data, _) in self._behind.items()}

    def subscribed(self, now_ns: int) -> None:
        """A subscription got its snapshot."""
        self._snapshot_ns = now_ns

    def _is_unanswered(self, quote: SymbolQuote, now_ns: int) -> bool:
        if quote.is_completed or quote.failed:
            return False
        return now_ns - self._snapshot_ns > _UNANSWERED_NS and quote.rhythm.is_overdue(now_ns)

    def _ask(self, quotes: list[SymbolQuote], now_ns: int) -> None:
        if not quotes:
            return
        if not self.session_id:
            self.session_id = new_session_id("qs_", self._random)
            self._outgoing.append(encode_call("quote_create_session", [self.session_id]))
            fields = ["lp", "lp_time", "volume"]
            self._outgoing.append(encode_call("quote_set_fields", [self.session_id, *fields]))
        self._asked = {quote.name: quote for quote in quotes}
        self._asked_ns = now_ns
        self._outgoing.append(encode_call("quote_add_symbols", [self.session_id, *self._asked]))

    def receive(self, data: QuoteData, now_ns: int, events: list[StreamEvent]) -> None:
        """A ``qsd`` of the probe's session."""
        quote = self._asked.get(data.n)
        if data.s != "ok":
            self.completed(data.n, now_ns, events)
        elif quote is not None and quote.is_behind(data.v):
            self._behind.setdefault(quote.name, (quote, data, now_ns))

    def completed(self, key: str, now_ns: int, events: list[StreamEvent]) -> None:
        """The provider has answered for ``key``, be it with an error."""
        quote = self._asked.pop(key, None)
        if quote is None:
            return
        self._outgoing.append(encode_call("quote_remove_symbols", [self.session_id, key]))
        if key in self._behind:
            return
        quote.rhythm.answered(now_ns)
        events.append(
            FeedEvent(
                kind=FeedEventKind.PROBED,
                time=datetime.fromtimestamp(now_ns / 10**9, UTC),
                symbol=quote.instrument.symbol,
                reason="quiet: the provider answered and knows of no newer trade",
                delay_seconds=quote.delay_seconds,
            )
        )

    def refused(self, now_ns: int, events: list[StreamEvent]) -> None:
        """The probe's session was refused: that is an answer too, and the next probe makes a new session."""
        for key in list(self._asked):
            self.completed(key, now_ns, events)
        self.session_id = ""


def _is_silent(quote: SymbolQuote, now_ns: int) -> bool:
    if not quote.is_settled or quote.failed or not quote.rhythm.is_overdue(now_ns):
        return False
    at = now_ns // 10**9 - quote.delay_seconds
    return was_open(quote.instrument.calendar, at - quote.rhythm.limit_ns // 10**9, at)

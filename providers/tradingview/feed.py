"""The quotes that should be followed, and the quote sessions that follow them on the present connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from domain.instrument import Instrument
from domain.tick import Quote
from providers.base import Baseline, StreamEvent
from providers.tradingview.codec import encode_call
from providers.tradingview.messages import QUOTE_FIELDS, QuoteData, new_session_id
from providers.tradingview.probes import Prober
from providers.tradingview.quotes import SymbolQuote

SESSION_SYMBOLS = 100  # a refused session takes so many symbols down, not all
_CALL_SYMBOLS = 50
_REFUSED_NS = 600 * 10**9  # a refused symbol is asked for again after so long
_FIRST_RETRY_NS = 5 * 10**9
_LAST_RETRY_NS = 300 * 10**9


@dataclass(slots=True)
class _QuoteSession:
    """One quote session. A dead one keeps its symbols until ``retry_at_ns``, when it is made anew."""

    id: str
    keys: set[str] = field(default_factory=set)
    deaths: int = 0
    retry_at_ns: int = 0  # 0: alive


class QuoteFeed:
    """Desired symbols in, calls out (appended to ``outgoing``); messages in, events out. Knows no socket."""

    def __init__(self, outgoing: list[str], random: Callable[[], float]) -> None:
        self._outgoing = outgoing
        self._random = random
        self.quotes: dict[str, SymbolQuote] = {}  # by the provider's key
        self.heads: dict[bytes, SymbolQuote] = {}  # by how the updates of its subscription begin
        self._sessions: dict[str, _QuoteSession] = {}
        self._touched: list[SymbolQuote] = []
        self._baselines: dict[str, Baseline] = {}  # by our symbol: restored, and not followed since
        self._is_open = False
        self._prober = Prober(outgoing, random)
        self.hold = self._prober.hold

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to follow."""
        return bool(self.quotes)

    @property
    def has_news(self) -> bool:
        """Whether a symbol spoke since ``take_quotes`` was last called."""
        return bool(self._touched)

    def follow(self, instruments: Iterable[Instrument], now_ns: int) -> None:
        """Make the followed symbols these; two of one provider code are one subscription, of the first."""
        wanted: dict[str, Instrument] = {}
        for instrument in instruments:
            wanted.setdefault(instrument.provider_code, instrument)
        gone = [key for key in self.quotes if key not in wanted]
        fresh = [key for key in wanted if key not in self.quotes]
        for key, instrument in wanted.items():
            if key in self.quotes:
                self.quotes[key].describe(instrument)
        self._unsubscribe(gone)
        for key in fresh:
            self.quotes[key] = quote = SymbolQuote(wanted[key])
            baseline = self._baselines.pop(quote.instrument.symbol, None)
            if baseline is not None:
                quote.restore(baseline)
        if self._is_open:
            self._subscribe(fresh, now_ns)

    def baselines(self) -> list[Baseline]:
        """Where every followed symbol stands, and those that were restored but not followed yet."""
        return [*(quote.baseline() for quote in self.quotes.values()), *self._baselines.values()]

    def restore(self, baselines: Iterable[Baseline]) -> None:
        """Let symbols go on from here when they are first followed."""
        self._baselines = {baseline.symbol: baseline for baseline in baselines}

    def open(self, now_ns: int) -> None:
        """A new connection: everything is subscribed under new session ids."""
        self._is_open = True
        self._sessions.clear()
        self.heads.clear()
        self._prober.open()
        self._subscribe(list(self.quotes), now_ns)

    def close(self) -> None:
        """The connection is gone."""
        self._is_open = False
        self._sessions.clear()
        self.heads.clear()

    def receive(self, session_id: str, data: QuoteData, now_ns: int, events: list[StreamEvent]) -> None:
        """A ``qsd``."""
        quote = self.quotes.get(data.n)
        if quote is None:
            return  # a late message of a symbol that was removed
        if quote.session_id == session_id:
            self.touch(quote)
            if data.s == "ok":
                quote.receive(data.v, now_ns, events)
            elif not quote.failed:
                reason = data.errmsg[:200] or f"status {data.s[:40]}"
                quote.fail(reason, now_ns, now_ns + _REFUSED_NS, events)
        elif session_id == self._prober.session_id:
            self._prober.receive(data, now_ns, events)

    def completed(self, session_id: str, key: str, now_ns: int, events: list[StreamEvent]) -> None:
        """A ``quote_completed``."""
        if session_id and session_id == self._prober.session_id:
            self._prober.completed(key, now_ns, events)
            return
        quote = self.quotes.get(key)
        if quote is not None and quote.session_id == session_id and not quote.failed:
            self._prober.subscribed(now_ns)
            quote.complete(now_ns, events)

    def refuse(self, session_id: str, reason: str, now_ns: int, events: list[StreamEvent]) -> bool:
        """A ``critical_error``: that session is dead, the others live on. False if it is none of ours."""
        if session_id and session_id == self._prober.session_id:
            self._prober.refused(now_ns, events)
            return True
        session = self._sessions.get(session_id)
        if session is None or session.retry_at_ns:
            return False
        session.deaths += 1
        session.retry_at_ns = now_ns + min(_FIRST_RETRY_NS << min(session.deaths - 1, 10), _LAST_RETRY_NS)
        for key in session.keys:
            self.quotes[key].fail(reason, now_ns, session.retry_at_ns, events)
        return True

    def wake(self, now_ns: int) -> str | None:
        """What is due: refused sessions and symbols again, probes. Returns why the feed is dead, if it is."""
        for session in [each for each in self._sessions.values() if 0 < each.retry_at_ns <= now_ns]:
            del self._sessions[session.id]
            self._subscribe(list(session.keys), now_ns, deaths=session.deaths)
        alone = [key for key, quote in self.quotes.items() if quote.failed and quote.retry_at_ns <= now_ns]
        self._forget(alone)
        self._subscribe(alone, now_ns)
        return self._prober.wake(self.quotes.values(), now_ns)

    def take_quotes(self, now_ns: int) -> list[Quote]:
        """The merged quotes of the symbols that spoke since the last call."""
        if not self._touched:
            return []
        taken, self._touched = self._touched, []
        for quote in taken:
            quote.is_touched = False
            quote.rhythm.beat(now_ns)
        return [quote.quote() for quote in taken if not quote.failed and quote.name in self.quotes]

    def touch(self, quote: SymbolQuote) -> None:
        """Something was said of this symbol."""
        if not quote.is_touched:
            quote.is_touched = True
            self._touched.append(quote)

    def _subscribe(self, keys: list[str], now_ns: int, *, deaths: int = 0) -> None:
        start = 0
        while start < len(keys):
            session = self._session_with_room() if not deaths else self._new_session(deaths)
            room = SESSION_SYMBOLS - len(session.keys)
            self._fill(session, keys[start : start + room], now_ns)
            start += room

    def _session_with_room(self) -> _QuoteSession:
        for session in self._sessions.values():
            if not session.deaths and len(session.keys) < SESSION_SYMBOLS:
                return session
        return self._new_session(0)

    def _new_session(self, deaths: int) -> _QuoteSession:
        session = _QuoteSession(new_session_id("qs_", self._random), deaths=deaths)
        self._sessions[session.id] = session
        self._outgoing.append(encode_call("quote_create_session", [session.id]))
        self._outgoing.append(encode_call("quote_set_fields", [session.id, *QUOTE_FIELDS]))
        return session

    def _fill(self, session: _QuoteSession, keys: list[str], now_ns: int) -> None:
        session.keys.update(keys)
        for key in keys:
            quote = self.quotes[key]
            self.heads.pop(quote.head, None)
            quote.begin(session.id, now_ns)
            self.heads[quote.head] = quote
        for start in range(0, len(keys), _CALL_SYMBOLS):
            batch = keys[start : start + _CALL_SYMBOLS]
            self._outgoing.append(encode_call("quote_add_symbols", [session.id, *batch]))

    def _unsubscribe(self, keys: list[str]) -> None:
        self._forget(keys)
        for key in keys:
            quote = self.quotes.pop(key)
            self.heads.pop(quote.head, None)
            quote.drop()

    def _forget(self, keys: list[str]) -> None:
        """Take symbols out of their sessions; a session that holds none is deleted."""
        for key in keys:
            session = self._sessions.get(self.quotes[key].session_id)
            if session is None:
                continue
            session.keys.discard(key)
            if not session.keys:
                del self._sessions[session.id]
            if not session.retry_at_ns:
                method = "quote_remove_symbols" if session.keys else "quote_delete_session"
                params = [session.id, key] if session.keys else [session.id]
                self._outgoing.append(encode_call(method, params))

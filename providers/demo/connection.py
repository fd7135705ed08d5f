"""One client's connection: messages in, packets out, as the service answers them. No socket, no clock of its own."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Iterator

import orjson

from providers.demo import wire
from providers.demo.chart_session import ChartSession, Load, SessionEnded
from providers.demo.faults import Faults
from providers.demo.instruments import EXCHANGE, Listing
from providers.demo.market import DemoMarket
from providers.demo.quote_session import MAX_KEYS, QuoteSession
from providers.demo.quotes import Update
from providers.tradingview import codec

ANONYMOUS_TOKEN = "unauthorized_user_token"  # noqa: S105  # what everybody without an account sends
MAX_SESSIONS = 2_000

Params = list[object]


class Connection:
    """The state behind one socket.

    ``receive`` returns payloads to send, in order. After each call look at ``take_opened`` (symbols whose full quote
    is now wanted), at ``loads`` and at ``is_over``.
    """

    def __init__(self, market: DemoMarket, faults: Faults, now: Callable[[], int], session_id: str) -> None:
        self._market, self._faults, self._now = market, faults, now
        self._session_id = session_id
        self._quotes: dict[str, QuoteSession] = {}
        self._charts: dict[str, ChartSession] = {}
        self._opened: list[tuple[QuoteSession, str, Listing]] = []
        self.follows_changed = False  # look at `follows` again
        self.is_over = False  # the last packet was a protocol_error: close once it is sent
        self.last_echo = 0  # number of the last heartbeat that was answered
        self._handlers: dict[str, Callable[[Params], list[bytes]]] = {
            "set_auth_token": self._set_auth_token,
            "quote_create_session": self._quote_create_session,
            "quote_delete_session": self._quote_delete_session,
            "quote_set_fields": self._quote_set_fields,
            "quote_add_symbols": self._quote_add_symbols,
            "quote_remove_symbols": self._quote_remove_symbols,
            "chart_create_session": self._chart_create_session,
            "chart_delete_session": self._chart_delete_session,
        }
        self._of_charts = frozenset(
            (
                "switch_timezone",
                "resolve_symbol",
                "create_series",
                "modify_series",
                "remove_series",
                "request_more_data",
                "request_more_tickmarks",
                "get_first_bar_time",
            )
        )

    # Out

    def hello(self) -> bytes:
        return wire.hello(self._session_id, self._now())

    def take_opened(self) -> list[tuple[QuoteSession, str, Listing]]:
        """Keys added since the last call, whose full quote is to be sent by ``QuoteSession.snapshot``."""
        opened, self._opened = self._opened, []
        return opened

    def loads(self) -> Iterator[tuple[ChartSession, Load]]:
        """Loads that are to be run, of all chart sessions; one at a time a session."""
        for chart in self._charts.values():
            if chart.load is not None:
                yield chart, chart.load

    def follows(self) -> set[str]:
        """Symbols of all quote sessions."""
        return {symbol for session in self._quotes.values() for symbol in session.keys.values()}

    def partial(self, symbol: str, update: Update) -> list[bytes]:
        return [packet for session in self._quotes.values() for packet in session.partial(symbol, update)]

    def flush(self, now_ms: int) -> list[bytes]:
        return [packet for chart in self._charts.values() for packet in chart.flush(now_ms)]

    def corrections(self, now_ms: int) -> list[bytes]:
        return [packet for chart in self._charts.values() for packet in chart.corrections(now_ms)]

    def is_alive(self, session: QuoteSession, key: str) -> bool:
        """Whether ``key`` is still wanted by a session that still exists."""
        return self._quotes.get(session.name) is session and key in session.keys

    # In

    def receive(self, text: str | bytes) -> list[bytes]:
        """Answer one message of the client, which may hold several packets."""
        packets = codec.decode(text)
        answers: list[bytes] = []
        for payload in packets.payloads:
            if self.is_over:
                break
            answers += self._payload(payload)
        if packets.fault is not None and not self.is_over:
            answers += self._protocol_error("wrong data")
        return answers

    def finish(self, chart: ChartSession, answer: Callable[[], list[bytes]]) -> list[bytes]:
        """The packets of ``answer`` (a chart's `finish` or `fail`), unless the session is gone by now."""
        if self._charts.get(chart.name) is not chart:
            return []
        return self._of_session(chart, answer)

    def _payload(self, payload: bytes) -> list[bytes]:
        if codec.is_heartbeat(payload):
            number = payload[len(codec.HEARTBEAT_PREFIX) :]
            self.last_echo = max(self.last_echo, int(number) if number.isdigit() and len(number) < 12 else 0)
            return []
        # Some clients echo the whole message that held a heartbeat: then the payload is itself a packet.
        if payload.startswith(b"~m~"):
            return self.receive(payload)
        try:
            call = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return self._protocol_error("wrong data")
        method = call.get("m") if isinstance(call, dict) else None
        params = call.get("p", []) if isinstance(call, dict) else None
        if not isinstance(method, str) or not isinstance(params, list):
            return self._protocol_error("wrong data")
        if method in self._of_charts:
            return self._chart_call(method, params)
        handler = self._handlers.get(method)
        return handler(params) if handler else []  # studies, replay, locale and the like are not answered

    def _protocol_error(self, text: str) -> list[bytes]:
        self.is_over = True
        return [wire.message("protocol_error", text)]

    def lookup(self, symbol: str) -> Listing | None:
        """The listing of a symbol as clients write it: any case, the exchange may be missing."""
        full = symbol.upper() if ":" in symbol else f"{EXCHANGE}:{symbol.upper()}"
        if full in self._faults.symbol_errors:
            return None
        return self._market.find(full)

    # Authentication

    def _set_auth_token(self, params: Params) -> list[bytes]:
        token = params[0] if params else None
        if self._faults.refuse_token or not is_token(token, self._now() // 1_000):
            return self._protocol_error("bad auth token")
        return []

    # Quotes. Nothing here is fatal to the connection: a session that is gone is passed over.

    def _quote_create_session(self, params: Params) -> list[bytes]:
        name = params[0] if params else None
        if isinstance(name, str) and name not in self._quotes and len(self._quotes) < MAX_SESSIONS:
            self._quotes[name] = QuoteSession(name)
        return []

    def _quote_delete_session(self, params: Params) -> list[bytes]:
        self._quotes.pop(str(params[0]) if params else "", None)
        self.follows_changed = True
        return []

    def _quote_session(self, params: Params) -> tuple[QuoteSession | None, list[object]]:
        name = params[0] if params else None
        return (self._quotes.get(name) if isinstance(name, str) else None), params[1:]

    def _quote_set_fields(self, params: Params) -> list[bytes]:
        session, fields = self._quote_session(params)
        if session is not None:
            session.set_fields([field for field in fields if isinstance(field, str)])
        return []

    def _quote_add_symbols(self, params: Params) -> list[bytes]:
        session, keys = self._quote_session(params)
        if session is None:
            return []
        # Since 2024 the service refuses the `{"flags": [...]}` that older clients append.
        if not all(isinstance(key, str) for key in keys) or len(session.keys) + len(keys) > MAX_KEYS:
            del self._quotes[session.name]
            self.follows_changed = True
            return [wire.message("critical_error", session.name, "invalid_parameters", "quote_add_symbols")]
        return [packet for key in keys if isinstance(key, str) for packet in self._add_key(session, key)]

    def _add_key(self, session: QuoteSession, key: str) -> list[bytes]:
        symbol, chart_type = wire.symbol_of(key)
        listing = None if chart_type else self.lookup(symbol)
        if listing is None:
            return [session.error(key, "no_such_symbol"), wire.message("quote_completed", session.name, key)]
        session.keys[key] = listing.symbol
        self.follows_changed = True
        self._opened.append((session, key, listing))
        return []

    def _quote_remove_symbols(self, params: Params) -> list[bytes]:
        session, keys = self._quote_session(params)
        if session is not None:
            for key in keys:
                session.remove(str(key))
            self.follows_changed = True
        return []

    # Charts

    def _chart_create_session(self, params: Params) -> list[bytes]:
        name = params[0] if params else None
        if not isinstance(name, str):
            return self._protocol_error("wrong data")
        if name in self._charts:
            return []
        if self._faults.session_limit or len(self._charts) >= MAX_SESSIONS:
            return [wire.message("critical_error", name, "max sessions rate reached", "chart_create_session")]
        self._charts[name] = ChartSession(name, self._market, self.lookup, self._faults, self._now)
        return []

    def _chart_delete_session(self, params: Params) -> list[bytes]:
        self._charts.pop(str(params[0]) if params else "", None)
        return []

    def _chart_call(self, method: str, params: Params) -> list[bytes]:
        name = params[0] if params else None
        chart = self._charts.get(name) if isinstance(name, str) else None
        if chart is None:
            if method == "remove_series":  # tidying up after an error is no mistake
                return []
            self.is_over = True
            return [wire.unknown_session(method, params)]
        if chart.is_overfull:
            return self._protocol_error("wrong data")
        return self._of_session(chart, lambda: chart.receive(method, params[1:]))

    def _of_session(self, chart: ChartSession, answer: Callable[[], list[bytes]]) -> list[bytes]:
        """A critical_error ends the session it names; the connection and other sessions go on."""
        try:
            return answer()
        except SessionEnded as ended:
            del self._charts[chart.name]
            return [ended.packet]


def is_token(token: object, now_s: int) -> bool:
    """Whether a token would be accepted: the anonymous one, or a JWT that has not expired."""
    if token == ANONYMOUS_TOKEN:
        return True
    if not isinstance(token, str) or token.count(".") != 2:
        return False
    body = token.split(".")[1]
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (binascii.Error, ValueError):
        return False
    expires = claims.get("exp") if isinstance(claims, dict) else None
    return isinstance(expires, (int, float)) and expires > now_s


def session_name(serial: int) -> str:
    """A hello's session_id, in the form of the service's."""
    return f"0.{serial}.{time.time_ns() % 10_000}_demo-charts-free-1-tvbs-1"

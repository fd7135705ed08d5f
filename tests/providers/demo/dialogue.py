"""A client that says and hears exactly what a test wants: without a socket, or on a real one."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from websockets.sync.client import ClientConnection, connect

from providers.demo.clock import ManualClock
from providers.demo.connection import Connection
from providers.demo.faults import Faults
from providers.demo.market import DemoMarket
from providers.demo.quotes import Tape
from providers.tradingview import codec

ANONYMOUS = ("set_auth_token", "unauthorized_user_token")
Call = tuple[Any, ...]  # method, then its parameters
Message = dict[str, Any]


def chart_calls(
    symbol: str, resolution: str = "1", count: object = 10, *rest: object, session: str = "cs_1"
) -> list[Call]:
    """What it takes to load a series, as clients pipeline it."""
    return [
        ("chart_create_session", session, ""),
        ("resolve_symbol", session, "sym_1", f'={{"symbol":"{symbol}","adjustment":"splits"}}'),
        ("create_series", session, "sds_1", "s1", "sym_1", resolution, count, *rest),
    ]


def quote_calls(*keys: object, fields: tuple[str, ...] = (), session: str = "qs_1") -> list[Call]:
    calls: list[Call] = [("quote_create_session", session)]
    if fields:
        calls.append(("quote_set_fields", session, *fields))
    return [*calls, ("quote_add_symbols", session, *keys)]


def named(messages: list[Message], method: str) -> list[list[Any]]:
    """Parameters of the messages with this name."""
    return [message["p"] for message in messages if message.get("m") == method]


def bars(messages: list[Message], series: str = "sds_1") -> list[list[float]]:
    """All bars that arrived in loads, in order."""
    return [
        element["v"]
        for _, objects, *_ in named(messages, "timescale_update")
        for element in objects.get(series, {}).get("s", [])
    ]


class Dialogue:
    """Talks to a Connection directly, on a clock of its own; loads are run at once."""

    def __init__(self, market: DemoMarket, clock: ManualClock) -> None:
        self.market, self.clock, self.faults = market, clock, Faults()
        self.connection = Connection(market, self.faults, market.now_ms, "0.1.1")
        self.tapes: dict[str, Tape] = {}

    def say(self, *calls: Call) -> list[Message]:
        """Send calls in one message and return everything that is answered."""
        return self.send("".join(codec.encode_call(method, params) for method, *params in calls))

    def send(self, text: str) -> list[Message]:
        packets = self.connection.receive(text)
        for session, key, listing in self.connection.take_opened():
            if listing.symbol not in self.tapes:
                opening = Tape.opening(self.market, listing, self.market.now_ms())
                self.tapes[listing.symbol] = Tape(self.market, listing, opening)
            packets += session.snapshot(key, self.tapes[listing.symbol].snapshot())
        while loads := list(self.connection.loads()):
            for chart, load in loads:
                found = load.run(self.market.now_ms())
                packets += self.connection.finish(chart, lambda chart=chart, found=found: chart.finish(found))
        return [orjson.loads(packet) for packet in packets]

    def wait(self, seconds: float, step: float = 0.25) -> list[Message]:
        """Let time pass and return what is told meanwhile."""
        packets: list[bytes] = []
        end = self.clock.seconds + seconds
        while self.clock.seconds < end:
            self.clock.advance(step)
            for symbol, tape in self.tapes.items():
                for update in tape.advance(self.market.now_ms()):
                    packets += self.connection.partial(symbol, update)
            packets += self.connection.flush(self.market.now_ms())
        return [orjson.loads(packet) for packet in packets]


class Caller:
    """Talks to a real server over a blocking socket, one test at a time."""

    def __init__(self, url: str, **options: Any) -> None:
        self._entered = contextlib.ExitStack()
        connecting = connect(url, compression=None, max_size=2**24, **options)
        self.socket: ClientConnection = self._entered.enter_context(connecting)
        self.packets: list[bytes] = []
        self.faults: list[Exception] = []
        self.echoes = True

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self._entered.close()

    def say(self, *calls: Call) -> None:
        self.socket.send("".join(codec.encode_call(method, params) for method, *params in calls))

    def messages(self, seconds: float = 10.0) -> Iterator[Message]:
        """Messages as they arrive, hello first; ends after ``seconds``. Heartbeats are echoed."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                text = self.socket.recv(timeout=left)
            except TimeoutError:
                return
            decoded = codec.decode(text)
            if decoded.fault is not None:
                self.faults.append(decoded.fault)
            for payload in decoded.payloads:
                self.packets.append(payload)
                if codec.is_heartbeat(payload):
                    if self.echoes:
                        self.socket.send(codec.encode(payload))
                    continue
                try:
                    yield orjson.loads(payload)
                except orjson.JSONDecodeError as error:
                    self.faults.append(error)

    def until(self, wanted: Callable[[Message], bool], seconds: float = 10.0) -> list[Message]:
        """Everything up to the first message that is ``wanted``. Fails if it does not come."""
        heard = []
        for message in self.messages(seconds):
            heard.append(message)
            if wanted(message):
                return heard
        raise AssertionError(f"not heard within {seconds} s; got {Counter(m.get('m') for m in heard)}")

    def until_called(self, method: str, seconds: float = 10.0) -> list[Message]:
        return self.until(lambda message: message.get("m") == method, seconds)

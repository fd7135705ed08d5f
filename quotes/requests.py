"""What a client may say on the live socket. Pure: text in, a request or a BadRequest that names the place out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from domain.errors import UnsupportedInterval
from domain.instrument import is_symbol
from domain.interval import Interval

MOST_BYTES = 16 * 1024
MOST_NAMED = 100  # symbols in one message


class BadRequest(Exception):
    """The message cannot be understood or carried out; ``field`` names the place."""

    def __init__(self, code: str, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.code, self.detail, self.field = code, detail, field


@dataclass(frozen=True, slots=True)
class Subscribe:
    symbols: tuple[str, ...]
    intervals: frozenset[str]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """``intervals`` is None where the symbols are dropped altogether."""

    symbols: tuple[str, ...]
    intervals: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Ack:
    count: int


Request = Subscribe | Unsubscribe | Ack


def parse(text: str) -> Request:
    """The request in ``text``. Raises BadRequest."""
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequest("bad_json", f"not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRequest("bad_message", 'expected an object such as {"type":"subscribe","symbols":["DEMO:BTCUSD"]}')
    kind = body.get("type")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise BadRequest("unknown_type", f"type is one of {', '.join(_READERS)}", "type")
    return reader(body)


def _ack(body: dict[str, Any]) -> Ack:
    count = body.get("n")
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise BadRequest("bad_ack", "n is the number of messages received so far, a whole number", "n")
    return Ack(count)


def _subscribe(body: dict[str, Any]) -> Subscribe:
    return Subscribe(_symbols(body), _intervals(body))


def _unsubscribe(body: dict[str, Any]) -> Unsubscribe:
    return Unsubscribe(_symbols(body), _intervals(body) if "intervals" in body else None)


def _symbols(body: dict[str, Any]) -> tuple[str, ...]:
    given = body.get("symbols")
    if not isinstance(given, list) or not given:
        raise BadRequest("bad_symbol", "symbols is a list with at least one EXCHANGE:TICKER", "symbols")
    if len(given) > MOST_NAMED:
        raise BadRequest("too_many", f"at most {MOST_NAMED} symbols in a message", "symbols")
    for place, symbol in enumerate(given):
        if not isinstance(symbol, str) or not is_symbol(symbol):
            raise BadRequest("bad_symbol", "write EXCHANGE:TICKER, for example NASDAQ:AAPL", f"symbols[{place}]")
    return tuple(dict.fromkeys(given))


def _intervals(body: dict[str, Any]) -> frozenset[str]:
    given = body.get("intervals", [])
    if not isinstance(given, list) or len(given) > MOST_NAMED:
        raise BadRequest("bad_interval", f"intervals is a list of {' '.join(Interval)}", "intervals")
    return frozenset(_interval(text, place) for place, text in enumerate(given))


def _interval(text: object, place: int) -> str:
    try:
        return Interval.parse(text if isinstance(text, str) else repr(text)).value
    except UnsupportedInterval as error:
        raise BadRequest("bad_interval", str(error), f"intervals[{place}]") from error


_READERS: dict[str, Callable[[dict[str, Any]], Request]] = {
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "ack": _ack,
}

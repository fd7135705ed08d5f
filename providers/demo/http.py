"""What the demo market answers over plain HTTP: search, the one-shot quote, the switches of its faults."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from domain.errors import InvalidRequest
from providers.demo import faults as fault_switches
from providers.demo import search, wire
from providers.demo.connection import ANONYMOUS_TOKEN
from providers.demo.faults import Faults
from providers.demo.instruments import Listing
from providers.demo.market import DemoMarket
from providers.demo.quotes import Tape

SOCKET_PATH = "/socket.io/websocket"
SEARCH_PATH = "/symbol_search/v3/"

Query = dict[str, str]


class HttpDoor:
    """Answers requests that are no upgrade, and refuses upgrades where a fault says so. May be called in a thread."""

    def __init__(self, market: DemoMarket, faults: Faults, lookup: Callable[[str], Listing | None]) -> None:
        self._market, self._faults, self._lookup = market, faults, lookup

    def is_socket(self, request: Request) -> bool:
        return urlsplit(request.path).path.rstrip("/") == SOCKET_PATH and "Upgrade" in request.headers

    def refusal(self, request: Request) -> Response | None:
        """Why an upgrade is refused; None lets it through. A doubled Origin is taken for one, as the service does."""
        origins = request.headers.get_all("Origin")
        if len(origins) > 1:
            del request.headers["Origin"]
            request.headers["Origin"] = origins[0]
        if self._faults.rate_limit:
            return _text(HTTPStatus.TOO_MANY_REQUESTS, "too many connections", {"Retry-After": "30"})
        if self._faults.forbidden or (self._faults.require_origin and not _is_ours(origins)):
            return _text(HTTPStatus.FORBIDDEN, "forbidden")
        return None

    def answer(self, request: Request, client: str) -> Response:
        """Answer a request; ``client`` is the address it came from."""
        parts = urlsplit(request.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        path = parts.path.rstrip("/") or "/"
        if path in ("/faults", "/splits"):
            change = self._set_faults if path == "/faults" else self._split
            return _switched(request, query, client, change)
        if request.method not in ("GET", "HEAD"):
            return _text(HTTPStatus.METHOD_NOT_ALLOWED, "GET only")
        if path == "/symbol_search/v3":
            return _json(search.search(self._market, query))
        if path == "/symbol_search":
            return _json(search.search(self._market, query, legacy=True))
        if path == "/symbol":
            return self._one_shot(query)
        if path.startswith("/symbols/"):  # the symbol's page, which some clients ask to learn whether it exists
            symbol = unquote(path.removeprefix("/symbols/")).replace("-", ":", 1)
            found = self._lookup(symbol)
            return _text(HTTPStatus.OK, found.name) if found else _text(HTTPStatus.NOT_FOUND, "no such symbol")
        if path == "/quote_token":
            return _json(ANONYMOUS_TOKEN)
        if path == "/":
            return _text(
                HTTPStatus.OK, f"Demo market: invented prices. WebSocket at {SOCKET_PATH}, search at {SEARCH_PATH}"
            )
        if path == SOCKET_PATH:
            return _text(HTTPStatus.UPGRADE_REQUIRED, "a WebSocket is spoken here", {"Upgrade": "websocket"})
        return _text(HTTPStatus.NOT_FOUND, "no such page")

    def _one_shot(self, query: Query) -> Response:
        listing = self._lookup(wire.symbol_of(query.get("symbol", ""))[0])
        if listing is None:
            if query.get("no_404", "").lower() in ("true", "1"):
                return _json(None)
            return _json({"code": "symbol_not_exists"}, HTTPStatus.NOT_FOUND)
        opening = Tape.opening(self._market, listing, self._market.now_ms())
        fields = Tape(self._market, listing, opening).snapshot().fields
        return _json(search.one_shot(fields, query.get("fields", "")))

    def _set_faults(self, query: Query) -> dict[str, object]:
        fault_switches.set_from_query(self._faults, query)
        return self._faults.state()

    def _split(self, query: Query) -> dict[str, int]:
        if query:
            listing, ratio = self._lookup(query.get("symbol", "")), query.get("ratio", "")
            if listing is None or not (ratio.isascii() and ratio.isdigit() and len(ratio) < 6):
                raise InvalidRequest("POST /splits?symbol=DEMO:AAPL&ratio=4 makes four shares of each")
            self._market.splits.split(listing.symbol, int(ratio))
        return self._market.splits.state()


def _switched(request: Request, query: Query, client: str, change: Callable[[Query], object]) -> Response:
    """GET tells how things stand, POST changes them. For programs on this machine, never for a page in a browser."""
    if not _is_loopback(client) or "Origin" in request.headers or "Sec-Fetch-Site" in request.headers:
        return _text(HTTPStatus.FORBIDDEN, "only for programs on this machine")
    if query and request.method != "POST":
        return _text(HTTPStatus.METHOD_NOT_ALLOWED, "POST changes what the query says")
    try:
        return _json(change(query))
    except InvalidRequest as error:
        return _text(HTTPStatus.BAD_REQUEST, str(error))


def _is_ours(origins: list[str]) -> bool:
    hosts = [urlsplit(origin).hostname or "" for origin in origins]
    return bool(hosts) and all(host == "tradingview.com" or host.endswith(".tradingview.com") for host in hosts)


def _is_loopback(client: str) -> bool:
    try:
        return ipaddress.ip_address(client.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _json(value: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return _response(status, "application/json; charset=utf-8", orjson.dumps(value), {})


def _text(status: HTTPStatus, text: str, headers: dict[str, str] | None = None) -> Response:
    return _response(status, "text/plain; charset=utf-8", f"{text}\n".encode(), headers or {})


def _response(status: HTTPStatus, kind: str, body: bytes, headers: dict[str, str]) -> Response:
    fields = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close", **headers}
    return Response(status.value, status.phrase, Headers(fields), body)

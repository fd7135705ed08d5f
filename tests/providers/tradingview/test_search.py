"""Symbol search over HTTP, against a server that answers as told."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from domain.errors import InvalidRequest, ProtocolError, ProviderRejected, ProviderUnavailable
from providers import get_provider
from providers.base import SymbolMatch
from providers.tradingview.search import search_symbols

BITCOIN = {
    "symbol": "<em>BTC</em>USDT", "description": "<em>Bitcoin</em> &amp; Tether", "type": "spot", "exchange": "Binance",
    "prefix": "BINANCE", "currency_code": "USDT",
}  # fmt: skip
FUTURE = {
    "symbol": "CL", "description": "Light Crude", "type": "futures", "exchange": "NYMEX Exchange", "currency_code": "USD",
    "contracts": [{"symbol": "CL1!", "description": "Continuous"}, {"symbol": "CLZ2026"}, None],
}  # fmt: skip


@pytest.fixture
def answer():
    """Set what is answered: status, then a body or something to be written as JSON; `asked` holds the queries."""
    state = {"status": 200, "body": b"[]", "asked": []}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state["asked"].append((parse_qs(urlsplit(self.path).query), dict(self.headers)))
            self.send_response(state["status"])
            self.end_headers()
            self.wfile.write(state["body"])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    state["url"] = f"http://127.0.0.1:{server.server_port}/symbol_search/v3/"
    yield state
    server.shutdown()
    server.server_close()


def found(answer, value, text="btc", limit=30):
    answer["body"] = value if isinstance(value, bytes) else json.dumps(value).encode()
    return search_symbols(answer["url"], text, limit)


@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"symbols_remaining": 0, "symbols": rows}])
def test_both_forms_of_answers_are_read(answer, wrap):
    assert found(answer, wrap([BITCOIN])) == [
        SymbolMatch("BINANCE:BTCUSDT", "Bitcoin & Tether", "spot", "Binance", "USDT")
    ]


def test_contracts_stand_for_their_root(answer):
    matches = found(answer, [FUTURE])
    assert [(match.symbol, match.name) for match in matches] == [
        ("NYMEX:CL1!", "Continuous"),
        ("NYMEX:CLZ2026", "Light Crude"),
    ]


def test_the_exchange_is_asked_for_apart(answer):
    found(answer, [], text=" BINANCE:BTC ")
    query, headers = answer["asked"][0]
    assert (query["exchange"], query["text"]) == (["BINANCE"], ["BTC"])
    assert headers["Origin"] == "https://www.tradingview.com"


def test_rows_that_are_no_symbols_are_left_out_and_repeats_told_once(answer):
    odd = [None, 5, {}, {"symbol": "A B", "exchange": "X"}, {"symbol": ["x"], "exchange": "X"}, BITCOIN, BITCOIN]
    assert len(found(answer, odd)) == 1


def test_no_more_than_the_limit(answer):
    rows = [BITCOIN | {"symbol": f"S{number}"} for number in range(50)]
    assert len(found(answer, rows, limit=7)) == 7


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, ProviderUnavailable), (503, ProviderUnavailable), (403, ProviderRejected), (404, ProviderRejected)],
)
def test_refusals_say_whether_to_try_again(answer, status, error):
    answer["status"] = status
    with pytest.raises(error, match=str(status)):
        found(answer, [])


@pytest.mark.parametrize("body", [b"<html>", b"", b"5", b'{"symbols": 5}', b"\xff"])
def test_what_is_no_answer_is_a_protocol_error(answer, body):
    with pytest.raises(ProtocolError):
        found(answer, body)


def test_nobody_there_is_unavailable():
    with pytest.raises(ProviderUnavailable):
        search_symbols("http://127.0.0.1:9/", "btc", 5)


def test_files_are_no_place_to_search():
    with pytest.raises(ProviderRejected):
        search_symbols("file:///etc/passwd", "btc", 5)


def test_providers_are_known_by_name():
    assert get_provider("demo").name == "demo"
    assert get_provider("tradingview", window_bars=20_000).capabilities.window_bars == 20_000
    with pytest.raises(InvalidRequest, match="use one of tradingview demo"):
        get_provider("bloomberg")

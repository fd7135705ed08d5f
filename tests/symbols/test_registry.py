"""The registry: what happens when a symbol is added, and what the world is told."""

from __future__ import annotations

import io

import orjson
import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from domain.errors import InvalidRequest, UnknownSymbol
from domain.instrument import Instrument
from providers.demo import demo_instruments
from symbols.models import Exchange, Symbol
from symbols.services import add_symbol, add_symbols, normal_code, resolve_symbol
from symbols.signals import symbol_added
from symbols.sources import provider_named
from symbols.venues import VENUES

NOBODY = "ws://127.0.0.1:9/socket.io/websocket"  # the discard port: nobody listens
pytestmark = pytest.mark.django_db


@pytest.fixture
def away(settings):
    """Neither provider can be reached."""
    settings.DEMO_MARKET_URL = settings.TRADINGVIEW_URL = NOBODY


@pytest.fixture
def demo(start_demo_market, settings):
    """A running demo market whose symbols keep their sessions."""
    running = start_demo_market()
    settings.DEMO_MARKET_URL = running.url
    return running


def test_a_symbol_is_added_with_what_its_provider_knows(demo):
    symbol, created = add_symbol(code="DEMO:AAPL")
    assert (created, symbol.status, symbol.provider, symbol.streaming) == (True, "active", "demo", True)
    assert (symbol.calendar_name, symbol.quote_currency, symbol.price_decimals) == ("XNYS", "USD", 2)
    assert symbol.instrument().id == symbol.pk


def test_adding_it_again_changes_nothing_and_keeps_what_people_edited(demo):
    symbol, _ = add_symbol(code="DEMO:AAPL")
    Symbol.objects.update(name="Mine", streaming=False)
    again, created = add_symbol(code="demo:aapl")
    assert (again.pk, again.name, again.streaming, created) == (symbol.pk, "Mine", False, False)


@pytest.mark.parametrize(
    ("code", "calendar"),
    [("NASDAQ:AAPL", "XNYS"), ("LSE:VOD", "XLON"), ("BINANCE:BTCUSDT", "24/7"), ("OANDA:EURUSD", "forex")],
)
def test_without_a_network_a_symbol_is_registered_with_the_reason_and_its_venues_calendar(away, code, calendar):
    symbol, created = add_symbol(code=code)
    assert (created, symbol.status, symbol.provider) == (True, "unresolved", "tradingview")
    assert symbol.status_reason.startswith("not resolved yet: ")
    assert symbol.instrument().calendar == calendar


def test_an_unresolved_symbol_is_resolved_once_its_provider_is_back(demo, settings):
    settings.DEMO_MARKET_URL = NOBODY
    symbol, _ = add_symbol(code="DEMO:7203")
    assert not resolve_symbol(symbol=symbol)
    settings.DEMO_MARKET_URL = demo.url
    assert resolve_symbol(symbol=symbol)
    symbol = Symbol.objects.get(code="DEMO:7203")
    assert (symbol.status, symbol.calendar_name, symbol.status_reason) == ("active", "XTKS", "")
    assert "トヨタ" in symbol.name


def test_an_unresolved_symbol_that_turns_out_not_to_exist_says_so(demo, settings):
    settings.DEMO_MARKET_URL = NOBODY
    symbol, _ = add_symbol(code="DEMO:NOSUCHTHING")
    settings.DEMO_MARKET_URL = demo.url
    with pytest.raises(UnknownSymbol):
        resolve_symbol(symbol=symbol)
    assert not Symbol.objects.get().status_reason.startswith("not resolved yet")


def test_a_symbol_that_the_provider_does_not_know_is_refused(demo):
    with pytest.raises(UnknownSymbol):
        add_symbol(code="DEMO:NOSUCHTHING")
    assert not Symbol.objects.exists()


@pytest.mark.parametrize("text", ["AAPL", "", ":", "NASDAQ:", "NASDAQ:A B", "A" * 30 + ":X", 'X:"'])
def test_what_is_no_symbol_is_refused_with_how_to_write_it(text):
    with pytest.raises(InvalidRequest, match="EXCHANGE:TICKER"):
        normal_code(text)


def test_what_listens_is_told_after_the_commit_and_of_new_symbols_only(demo, django_capture_on_commit_callbacks):
    told = []

    def hear(sender, symbol, **kwargs):
        told.append(symbol)

    symbol_added.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            add_symbol(code="DEMO:MSFT")
            assert told == []
        with django_capture_on_commit_callbacks(execute=True):
            add_symbol(code="DEMO:MSFT")
    finally:
        symbol_added.disconnect(hear)
    assert told == ["DEMO:MSFT"]


def test_an_id_is_never_used_again(away):
    gone = add_symbol(code="NASDAQ:AAPL")[0]
    number = gone.pk
    gone.delete()
    assert add_symbol(code="NASDAQ:AAPL")[0].pk > number


def test_a_retired_symbol_is_neither_active_nor_streamed(away):
    symbol, _ = add_symbol(code="NASDAQ:AAPL")
    assert list(Symbol.objects.streaming()) == [symbol]
    Symbol.objects.update(status=Symbol.Status.RETIRED)
    assert not Symbol.objects.streaming().exists()
    assert Symbol.objects.with_code("NASDAQ:AAPL") == symbol


def test_every_venue_has_a_calendar_that_exists():
    from exchange_calendars import get_calendar_names

    known = {"24/7", "forex", *get_calendar_names()}
    assert {venue.calendar for venue in VENUES.values()} <= known


def test_the_demo_symbols_are_registered_without_their_server(away):
    first = add_symbols(demo_instruments())
    again = add_symbols(demo_instruments())
    assert len(first) >= 12
    assert ({created for _, created in first}, {created for _, created in again}) == ({True}, {False})
    assert Exchange.objects.get().code == "DEMO"
    assert {symbol.instrument() for symbol, _ in first} == {
        Instrument(**{field: getattr(found, field) for field in Instrument.__slots__} | {"id": symbol.pk})
        for found, (symbol, _) in zip(demo_instruments(), first, strict=True)
    }


def test_a_provider_that_does_not_exist_cannot_be_had():
    with pytest.raises(InvalidRequest):
        provider_named("nobody")


def test_a_provider_s_window_is_a_setting(settings):
    assert provider_named("tradingview").capabilities.window_bars == 5_000
    settings.WINDOW_BARS = {"demo": 700, "tradingview": 20_000}
    assert provider_named("tradingview").capabilities.window_bars == 20_000
    assert provider_named("demo").capabilities.window_bars == 700


def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    call_command("symbols", *arguments, stdout=out, stderr=err)
    return [orjson.loads(line) for line in out.getvalue().splitlines()]


def test_the_command_adds_and_lists(away):
    assert [row["created"] for row in run("add", "NASDAQ:AAPL", "nasdaq:aapl", "--json")] == [True, False]
    [row] = run("list", "--json")
    assert (row["symbol"], row["calendar"], row["status"]) == ("NASDAQ:AAPL", "XNYS", "unresolved")
    assert run("list", "nothing", "--json") == []


def test_a_symbol_is_registered_offline_for_bars_that_come_from_files(demo):
    run("add", "DEMO:AAPL", "--offline", "--calendar", "XLON", "--json")
    symbol = Symbol.objects.get()
    assert (symbol.status, symbol.streaming, symbol.calendar_name) == ("offline", False, "XLON")
    assert list(Symbol.objects.active()) == [symbol]
    assert not Symbol.objects.provided().exists()
    assert "provider was not asked" in symbol.status_reason
    assert resolve_symbol(symbol=symbol)
    assert symbol.calendar_name == "XNYS"  # who provides it knows better


@pytest.mark.parametrize("arguments", [["--calendar", "XLON"], ["--offline", "--calendar", "XXXX"]])
def test_a_calendar_without_meaning_is_wrong_use(away, arguments):
    with pytest.raises(CommandError) as caught:
        run("add", "DEMO:AAPL", *arguments)
    assert caught.value.returncode == 2
    assert not Symbol.objects.exists()


def test_the_command_adds_the_demo_symbols_as_often_as_it_likes(away):
    assert {row["created"] for row in run("add-demo", "--json")} == {True}
    assert {row["created"] for row in run("add-demo", "--json")} == {False}


@pytest.mark.parametrize(
    ("codes", "code"), [(["AAPL"], 2), (["DEMO:NOSUCHTHING"], 1), (["DEMO:AAPL", "DEMO:NOSUCHTHING"], 3)]
)
def test_exit_codes_tell_wrong_use_from_failure_and_from_partial_success(demo, codes, code):
    with pytest.raises(CommandError) as raised:
        run("add", *codes, "--json")
    assert raised.value.returncode == code


@pytest.fixture
def reader(client, away):
    add_symbols(demo_instruments())
    client.force_login(get_user_model().objects.create_user("reader"))
    return client


@pytest.mark.untraced
def test_the_list_comes_in_pages_in_the_order_of_codes(reader):
    first = reader.get("/api/v1/symbols", {"page_size": 5}).json()
    assert (first["count"], len(first["results"]), first["previous"]) == (len(demo_instruments()), 5, None)
    codes = [row["symbol"] for row in first["results"]]
    address = first["next"]
    while address:
        page = reader.get(address).json()
        codes += [row["symbol"] for row in page["results"]]
        address = page["next"]
    assert codes == sorted(found.symbol for found in demo_instruments())


def test_the_list_is_filtered_by_text_and_by_field_and_repeated_means_or(reader):
    def found(**parameters):
        return {row["symbol"] for row in reader.get("/api/v1/symbols", parameters).json()["results"]}

    assert found(q="bitcoin") == {"DEMO:BTCUSD"}
    assert found(q="usd") >= {"DEMO:BTCUSD", "DEMO:EURUSD"}
    assert found(exchange=["DEMO", "NASDAQ"]) == {found.symbol for found in demo_instruments()}
    assert found(exchange="NASDAQ") == found(streaming="false") == set()
    assert "DEMO:EURUSD" in found(type=["forex", "index"])


def test_a_symbol_tells_decimals_calendar_and_whether_its_market_is_open(reader):
    row = reader.get("/api/v1/symbols/DEMO:BTCUSD").json()
    assert row["symbol"] == "DEMO:BTCUSD"
    assert (row["calendar"], row["price_decimals"], row["streaming"]) == ("24/7", 2, True)
    assert row["session"] == {"is_open": True, "next_open": None, "next_close": None}
    stock = reader.get("/api/v1/symbols/DEMO:AAPL").json()["session"]
    assert stock["next_close" if stock["is_open"] else "next_open"].endswith("Z")


def test_unknown_parameters_are_refused_with_the_nearest_name(reader):
    answer = reader.get("/api/v1/symbols", {"exchang": "DEMO", "streaming": "maybe"})
    found = {error["field"]: error["detail"] for error in answer.json()["errors"]}
    assert (answer.status_code, set(found)) == (400, {"exchang", "streaming"})
    assert "'exchange'" in found["exchang"]


def test_an_unknown_symbol_is_a_404(reader):
    answer = reader.get("/api/v1/symbols/DEMO:NOPE")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_without_a_session_nothing_is_told(client):
    assert client.get("/api/v1/symbols").status_code in (401, 403)

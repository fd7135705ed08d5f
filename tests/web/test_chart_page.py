"""The chart page as the server sends it, in each of its states."""

from __future__ import annotations

import html
import re

import pytest
from django.contrib.auth import get_user_model

from marketdata.repository import BarRepository
from symbols.models import Exchange, Symbol
from tests.factories import at, bar
from web.watchlist import SHOWN, spark_points


@pytest.fixture
def reader(client, db):
    """A client that somebody without any special right has signed in with."""
    client.force_login(get_user_model().objects.create_user("reader"))
    return client


def make_symbol(code: str, **fields) -> Symbol:
    exchange, ticker = code.split(":")
    venue, _ = Exchange.objects.get_or_create(code=exchange)
    return Symbol.objects.create(exchange=venue, ticker=ticker, code=code, **fields)


@pytest.fixture
def registry(db):
    """Two symbols: ``DEMO:BTCUSD`` and ``NASDAQ:AAPL``."""
    return (
        make_symbol("DEMO:BTCUSD", name="Bitcoin", type="crypto", quote_currency="USD", provider="demo"),
        make_symbol("NASDAQ:AAPL", name="Apple Inc", type="stock", quote_currency="USD", calendar="XNYS"),
    )


def test_a_stranger_is_sent_to_sign_in_and_comes_back(client, registry):
    answer = client.get("/chart/DEMO:BTCUSD?interval=1h")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/signin/?next=/chart/DEMO")


@pytest.mark.parametrize("address", ["/chart/", "/chart/DEMO:BTCUSD/series/", "/search/?q=b"])
def test_no_page_about_data_is_open_to_strangers(client, registry, address):
    assert client.get(address).status_code == 302


def test_home_opens_a_symbol_that_moves_and_then_the_one_left(reader, registry, mongo_database):
    assert reader.get("/", follow=True).redirect_chain[-1][0] == "/chart/DEMO:BTCUSD"
    reader.get("/chart/NASDAQ:AAPL")
    assert reader.get("/chart/")["Location"] == "/chart/NASDAQ:AAPL"


def test_an_empty_registry_says_how_to_fill_it(reader):
    answer = reader.get("/chart/")
    assert answer.status_code == 200
    assert "manage.py symbols add-demo" in answer.content.decode()


def test_the_page_names_symbol_interval_and_zone_for_its_script(reader, registry, mongo_database):
    text = reader.get("/chart/NASDAQ:AAPL?interval=1M").content.decode()
    for part in (
        'data-symbol="NASDAQ:AAPL"',
        'data-interval="1M"',
        'data-decimals="2"',
        'data-timezone="America/New_York"',
    ):
        assert part in text
    assert "Apple Inc · USD · Stock" in text
    assert re.findall(r'data-interval="(\w+)"[^>]* aria-current', text) == ["1M"]


@pytest.mark.parametrize(
    ("calendar", "venue_zone", "shown"),
    [
        ("XTKS", "UTC", "Asia/Tokyo"),  # a venue of many markets, such as the demo market
        ("", "UTC", "UTC"),
        ("", "Europe/Berlin", "Europe/Berlin"),
        ("no such calendar", "Europe/Berlin", "Europe/Berlin"),
    ],
)
def test_exchange_time_is_that_of_the_symbol_s_own_market(reader, mongo_database, calendar, venue_zone, shown):
    symbol = make_symbol("DEMO:7203", calendar=calendar)
    symbol.exchange.timezone = venue_zone
    symbol.exchange.save()
    assert f'data-timezone="{shown}"' in reader.get("/chart/DEMO:7203").content.decode()


def test_the_page_offers_13_intervals_with_their_full_names(reader, registry, mongo_database):
    text = reader.get("/chart/DEMO:BTCUSD").content.decode()
    names = re.findall(r'<a href="\?interval=(\w+)"[^>]*aria-label="([^"]+)"', text)
    assert [value for value, _ in names] == [
        "1m",
        "3m",
        "5m",
        "15m",
        "30m",
        "45m",
        "1h",
        "2h",
        "3h",
        "4h",
        "1d",
        "1w",
        "1M",
    ]
    assert dict(names)["1m"] == "1 minute"
    assert dict(names)["1M"] == "1 month"


def test_demo_data_is_marked(reader, registry, mongo_database):
    assert 'class="chip demo"' in reader.get("/chart/DEMO:BTCUSD").content.decode()
    assert 'class="chip demo"' not in reader.get("/chart/NASDAQ:AAPL").content.decode()


def test_an_unknown_interval_is_told_with_the_nearest(reader, registry):
    answer = reader.get("/chart/DEMO:BTCUSD?interval=7m")
    assert answer.status_code == 400
    assert "unknown interval" in answer.content.decode()
    assert reader.get("/chart/DEMO:BTCUSD/series/?interval=7m").status_code == 400


def test_an_unknown_symbol_shows_near_names(reader, registry):
    answer = reader.get("/chart/DEMO:BTCUSDT")
    assert answer.status_code == 404
    text = answer.content.decode()
    assert "/chart/DEMO:BTCUSD" in text
    assert "manage.py symbols add DEMO:BTCUSDT" in text


def test_the_same_ticker_elsewhere_is_near(reader, registry):
    assert "/chart/NASDAQ:AAPL" in reader.get("/chart/XETR:AAPL").content.decode()


def test_what_is_no_symbol_is_not_offered_to_be_added(reader, registry):
    answer = reader.get("/chart/<script>alert(1)</script>")
    assert answer.status_code == 404
    assert "<script>alert" not in answer.content.decode()
    assert "manage.py symbols add" not in answer.content.decode()


def test_capitals_may_be_left_out(reader, registry):
    assert reader.get("/chart/nasdaq:aapl?interval=1h")["Location"] == "/chart/NASDAQ:AAPL?interval=1h"


def test_a_symbol_with_odd_letters_has_its_page(reader, mongo_database):
    make_symbol("DEMO:ES1!")
    make_symbol("DEMO:BRK/A", name="with a slash")
    assert reader.get("/chart/DEMO:ES1!").status_code == 200
    assert "BRK/A" in reader.get("/chart/DEMO:BRK/A").content.decode()
    assert reader.get("/chart/DEMO:BRK/A/series/?interval=1m").status_code == 200


def test_the_panel_tells_what_is_stored(reader, registry, mongo_database):
    symbol = registry[0]
    bars = [bar("2026-01-05 14:30"), bar("2026-01-05 14:31")]
    BarRepository(mongo_database).save(symbol.instrument(), bars[0].interval, bars)
    text = reader.get("/chart/DEMO:BTCUSD/series/?interval=1m").content.decode()
    figures = dict(re.findall(r"<dt>([^<]+)</dt><dd[^>]*>([^<]+)</dd>", text))
    assert figures["Stored bars"] == "2"
    assert figures["First"] == "2026-01-05 14:30"
    assert figures["Last"] == "2026-01-05 14:31"
    assert figures["Source"] == "demo"
    assert figures["Changed"] == "just now"


def test_nothing_stored_is_a_dash(reader, registry, mongo_database):
    text = reader.get("/chart/DEMO:BTCUSD/series/?interval=1w").content.decode()
    figures = dict(re.findall(r"<dt>([^<]+)</dt><dd[^>]*>([^<]+)</dd>", text))
    assert (figures["Stored bars"], figures["First"], figures["Changed"]) == ("0", "–", "–")


def test_the_page_opens_while_the_store_is_away(reader, registry, settings, tmp_path, monkeypatch):
    """A socket that nobody listens at stands for a MongoDB that is down."""
    from urllib.parse import quote_plus

    from pymongo import MongoClient

    away = MongoClient(f"mongodb://{quote_plus(str(tmp_path / 'away.sock'))}/", serverSelectionTimeoutMS=200)
    for place in ("web.views.chart.database", "web.watchlist.database"):
        monkeypatch.setattr(place, lambda: away["pocketquant"], raising=False)
    with away:
        answer = reader.get("/chart/DEMO:BTCUSD")
    assert answer.status_code == 200
    assert "what it holds is safe" in answer.content.decode()


def test_use_these_bars_in_python_does_what_it_says(reader, registry, mongo_database):
    bars = [bar("2026-01-05 14:30"), bar("2026-01-05 14:31"), bar("2026-01-05 14:32")]
    BarRepository(mongo_database).save(registry[0].instrument(), bars[0].interval, bars)
    text = reader.get("/chart/DEMO:BTCUSD").content.decode()
    code = html.unescape(re.search(r'data-python="([^"]+)"', text)[1])
    for name, value in {"interval": "1m", "start": "2026-01-05T14:30:00Z", "end": "2026-01-05T14:31:01Z"}.items():
        code = code.replace(f"{{{name}}}", value)
    found: dict = {}
    exec(code, found)  # noqa: S102 - the code a person is told to run
    assert [one.open_time for one in found["bars"]] == [at("14:30"), at("14:31")]


def test_the_watchlist_has_lines_of_recent_closes(reader, registry, mongo_database):
    bars = [bar(f"2026-01-05 {hour:02}:00", "30m", open=100, high=200, low=90, close=100 + hour) for hour in range(5)]
    BarRepository(mongo_database).save(registry[0].instrument(), bars[0].interval, bars)
    text = reader.get("/chart/NASDAQ:AAPL").content.decode()
    assert 'data-closes="[100.0,101.0,102.0,103.0,104.0]"' in text
    assert '<span class="last price">104.00</span>' in text


def test_a_long_registry_shows_its_first_symbols_and_the_one_looked_at(reader, mongo_database):
    for number in range(SHOWN + 3):
        make_symbol(f"DEMO:S{number:03}")
    text = reader.get(f"/chart/DEMO:S{SHOWN + 2:03}").content.decode()
    assert text.count("data-watch=") == SHOWN + 1
    assert "3 more by search" in text


def test_a_line_fills_its_box_and_a_flat_one_lies_in_the_middle():
    assert spark_points([1.0, 3.0, 2.0]) == "0.0,21.0 24.0,3.0 48.0,12.0"
    assert spark_points([2.0, 2.0]) == "0.0,12.0 48.0,12.0"
    assert spark_points([1.0]) == ""


def test_the_search_finds_by_ticker_name_and_pair(reader, registry):
    def found(text):
        return re.findall(r"<strong>([^<]+)</strong>", reader.get("/search/", {"q": text}).content.decode())

    assert found("aapl") == ["NASDAQ:AAPL"]
    assert found("bitcoin") == ["DEMO:BTCUSD"]
    assert found("BTC/USD") == ["DEMO:BTCUSD"]
    assert found("") == ["DEMO:BTCUSD", "NASDAQ:AAPL"]
    assert "Nothing here is called “XYZQ”" in reader.get("/search/", {"q": "XYZQ"}).content.decode()


def test_an_exact_ticker_comes_before_what_only_begins_with_it(reader):
    make_symbol("DEMO:AB")
    make_symbol("AAA:ABC")
    make_symbol("AAA:XAB")
    codes = re.findall(r"<strong>([^<]+)</strong>", reader.get("/search/?q=ab").content.decode())
    assert codes == ["DEMO:AB", "AAA:ABC", "AAA:XAB"]


def test_pages_that_are_not_there_say_so_in_the_same_dress(reader):
    answer = reader.get("/nowhere/")
    assert answer.status_code == 404
    assert "There is no page at this address" in answer.content.decode()


def test_every_link_of_the_page_leads_somewhere(reader, registry, mongo_database, django_user_model):
    owner = django_user_model.objects.create_superuser("chief")
    reader.force_login(owner)
    text = reader.get("/chart/DEMO:BTCUSD").content.decode()
    links = {link for link in re.findall(r'<a [^>]*href="(/[^"]*)"', text) if not link.startswith("/static/")}
    assert {"/about/", "/api/docs/", "/admin/"} <= links
    assert {
        link: reader.get(link).status_code for link in links if reader.get(link).status_code not in (200, 302)
    } == {}


def test_only_staff_are_shown_the_admin(reader, registry, mongo_database):
    assert 'href="/admin/"' not in reader.get("/chart/DEMO:BTCUSD").content.decode()


def test_only_reading_is_possible(reader, registry):
    assert reader.post("/chart/DEMO:BTCUSD").status_code == 405

"""The demo market splits a stock on demand: its past is told on the new scale at once, and so is all that follows."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from domain.errors import InvalidRequest
from domain.interval import Interval
from providers import get_provider
from providers.demo.market import DemoMarket
from providers.demo.quotes import Tape

BTC = "DEMO:BTCUSD"
NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)


@pytest.fixture
def market():
    return DemoMarket(1, always_open=True)


def bars(market, interval=Interval.M1):
    return market.bars(BTC, interval, NOW - timedelta(hours=2), NOW - timedelta(hours=1), NOW)


def test_history_is_divided_and_volumes_are_multiplied(market):
    before = bars(market)
    market.splits.split(BTC, 4)
    after = bars(market)
    assert [one.close for one in after] == [pytest.approx(one.close / 4, abs=0.0051) for one in before]
    assert [one.volume for one in after] == [pytest.approx(one.volume * 4) for one in before]
    assert all(one.close * 100 == pytest.approx(round(one.close * 100)) for one in after)  # whole ticks


def test_other_symbols_are_left_alone(market):
    before = bars(market)
    market.splits.split("DEMO:AAPL", 4)
    assert bars(market) == before


def test_bars_are_still_the_fold_of_their_trades(market):
    market.splits.split(BTC, 7)
    [bar] = market.bars(BTC, Interval.M1, NOW - timedelta(minutes=10), NOW - timedelta(minutes=9), NOW)
    start = int(bar.starts_at.timestamp()) * 10**9
    ticks = list(market.ticks(BTC, start, start + 60 * 10**9))
    prices = [tick.price for tick in ticks]
    assert (bar.open, bar.high, bar.low, bar.close) == (prices[0], max(prices), min(prices), prices[-1])
    assert bar.volume == pytest.approx(sum(tick.lots for tick in ticks) / 10**8)


def test_splits_of_a_symbol_multiply_and_are_bounded(market):
    assert [market.splits.split(BTC, 2), market.splits.split(BTC, 5)] == [2, 10]
    for ratio in (1, 0, -3, 101):
        with pytest.raises(InvalidRequest, match="becomes"):
            market.splits.split(BTC, ratio)
    assert market.splits.state() == {BTC: 10}


def test_a_tape_under_way_tells_the_next_trade_on_the_new_scale(market):
    listing, now_ms = market.listing(BTC), int(NOW.timestamp() * 1_000)
    tape = Tape(market, listing, Tape.opening(market, listing, now_ms))
    old = tape.snapshot().fields["lp"]
    market.splits.split(BTC, 10)
    prices = [update.fields["lp"] for update in tape.advance(now_ms + 20_000) if "lp" in update.fields]
    assert prices
    assert all(price == pytest.approx(old / 10, rel=0.05) for price in prices)


def test_a_client_learns_of_it_by_http_and_history(start_demo_market):
    demo = start_demo_market(always_open=True)
    place = f"http://{urlsplit(demo.url).netloc}/splits"
    instrument = demo.market.instrument(BTC)
    end = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=2)

    def told():
        with closing(get_provider("demo", url=demo.url, search_url=demo.search_url)) as provider:
            pages = list(provider.fetch_bars(instrument, Interval.M1, end - timedelta(minutes=30), end))
        return [bar.close for page in pages for bar in page]

    def ask(query="", method="GET"):
        request = Request(f"{place}{query}", method=method)  # noqa: S310  # http on loopback
        with urlopen(request, timeout=5) as answer:  # noqa: S310
            return json.load(answer)

    before = told()
    assert ask(f"?symbol={BTC}&ratio=4", "POST") == {BTC: 4}
    assert told() == [pytest.approx(close / 4, abs=0.0051) for close in before]
    assert ask() == {BTC: 4}
    for wrong in ("symbol=DEMO:NONE&ratio=4", f"symbol={BTC}&ratio=x", f"symbol={BTC}&ratio=1", "what=1"):
        with pytest.raises(HTTPError) as refused:
            ask(f"?{wrong}", "POST")
        assert refused.value.code == 400
    with pytest.raises(HTTPError, match="405"):
        ask(f"?symbol={BTC}&ratio=4")

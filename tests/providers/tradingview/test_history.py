"""Loads in several threads over one connection to the demo market's real server: each its own, whatever befalls others."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from domain.bar import BarState
from domain.errors import ProviderRejected, ProviderUnavailable, UnknownSymbol
from domain.interval import Interval
from providers import get_provider
from providers.demo.clock import scaled_clock
from providers.tradingview.failures import Stalled
from providers.tradingview.history import HistoryConnection

SYMBOLS = [
    "DEMO:BTCUSD",
    "DEMO:ETHUSD",
    "DEMO:XRPUSD",
    "DEMO:AAPL",
    "DEMO:MSFT",
    "DEMO:NVDA",
    "DEMO:EURUSD",
    "DEMO:7203",
]


@pytest.fixture
def history(demo_market):
    found = HistoryConnection(demo_market.url, random=random.random)
    yield found
    found.close()


@pytest.fixture
def demo_provider(demo_market):
    provider = get_provider("demo", url=demo_market.url, search_url=demo_market.search_url)
    yield provider
    provider.close()


def is_met(condition, seconds=10):
    """Whether ``condition`` comes true in time."""
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.005)
    return condition()


def loaded(provider, instrument, interval, end, bars=400):
    start = end - timedelta(seconds=interval.seconds * bars)
    return [bar for page in provider.fetch_bars(instrument, interval, start, end) for bar in page]


def truth(market, symbol, interval, end, bars=400):
    start = end - timedelta(seconds=interval.seconds * bars)
    found = market.bars(symbol, interval, start, end, datetime.now(UTC))
    return [bar for bar in found if bar.state is BarState.FINAL]


def outcomes(provider, market, symbols, interval, end):
    """What loads of ``symbols``, all begun at once, return or raise."""
    begun = threading.Barrier(len(symbols), timeout=10)

    def run(symbol):
        begun.wait()
        try:
            return loaded(provider, market.instrument(symbol), interval, end)
        except Exception as error:  # the test looks at it
            return error

    with ThreadPoolExecutor(len(symbols)) as pool:
        return dict(zip(symbols, pool.map(run, symbols), strict=True))


def test_loads_in_several_threads_share_one_connection(start_demo_market):
    demo = start_demo_market(always_open=True)
    demo.faults.set(load_delay_seconds=0.1)  # so that all are under way at once
    provider = get_provider("demo", url=demo.url, search_url=demo.search_url)
    end = datetime.now(UTC) - timedelta(minutes=20)
    for interval in (Interval.M1, Interval.H1):
        found = outcomes(provider, demo.market, SYMBOLS, interval, end)
        assert found == {symbol: truth(demo.market, symbol, interval, end) for symbol in SYMBOLS}
        assert demo.server.client_count == 1
    provider.close()


@pytest.mark.parametrize(
    ("switches", "error"),
    [
        ({"symbol_errors": ["DEMO:AAPL"]}, UnknownSymbol),
        ({"series_errors": ["DEMO:AAPL"]}, ProviderRejected),
    ],
)
def test_a_symbol_that_is_refused_fails_alone(demo_provider, demo_market, switches, error):
    demo_market.faults.set(load_delay_seconds=0.05, **switches)
    end = datetime.now(UTC) - timedelta(minutes=20)
    found = outcomes(demo_provider, demo_market.market, SYMBOLS, Interval.M5, end)
    assert isinstance(found.pop("DEMO:AAPL"), error)
    assert found == {symbol: truth(demo_market.market, symbol, Interval.M5, end) for symbol in found}


def test_a_load_that_is_never_answered_ends_alone(demo_market):
    demo_market.faults.set(unanswered_symbols=["DEMO:AAPL"])
    history = HistoryConnection(demo_market.url, random=random.random, load_seconds=1.5)
    stalled = []

    def wait_in_vain():
        with history.chart("DEMO:AAPL") as opened:
            with pytest.raises(Stalled, match=r"DEMO:AAPL: no answer within 1\.5 s"):
                opened.load("1", 10)
            stalled.append(time.monotonic())

    thread = threading.Thread(target=wait_in_vain)
    began = time.monotonic()
    thread.start()
    others = 0
    while not stalled and time.monotonic() - began < 10:
        with history.chart("DEMO:BTCUSD") as opened:
            opened.load("1", 10)
            assert len(opened.chart.rows) == 10
        others += 1
    thread.join(10)
    assert 1.5 <= stalled[0] - began < 10
    assert others > 1  # and none of them prolonged the wait or was cut short by it
    history.close()


def test_an_answer_that_trickles_in_for_ever_ends(start_demo_market):
    demo = start_demo_market(clock=scaled_clock(20), always_open=True)
    pace = 1
    history = HistoryConnection(
        demo.url, random=random.random, load_seconds=10, monotonic=lambda: pace * time.monotonic()
    )
    with history.chart("DEMO:BTCUSD") as opened:
        opened.load("1", 10)  # live from now on: updates of the bar in progress keep coming
        pace = 30
        heard = opened.chart.progress
        with pytest.raises(Stalled):
            opened._line.ask(opened.chart, [], lambda: False)
        assert opened.chart.progress > heard
    history.close()


def test_a_silent_provider_ends_every_load_though_heartbeats_go_on(start_demo_market):
    demo = start_demo_market(always_open=True, heartbeat_seconds=0.1)
    history = HistoryConnection(demo.url, random=random.random, load_seconds=1.5)

    def stall(symbol):
        with history.chart(symbol) as opened:
            everyone.wait()
            with pytest.raises(Stalled):
                opened.load("1", 10)

    everyone = threading.Barrier(4, action=lambda: demo.faults.set(stall=True), timeout=10)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(stall, SYMBOLS[:4]))
    demo.faults.clear()
    with history.chart("DEMO:BTCUSD") as opened:
        opened.load("1", 10)
        assert len(opened.chart.rows) == 10
    history.close()


@pytest.mark.parametrize("fault", ["drop", "close", "garbage", "wrong_length", "truncated", "protocol_error"])
def test_whatever_befalls_the_connection_every_load_is_whole(demo_provider, demo_market, fault):
    demo_market.faults.set(load_delay_seconds=0.3, updates_per_load=3)
    end = datetime.now(UTC) - timedelta(minutes=20)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(outcomes, demo_provider, demo_market.market, SYMBOLS, Interval.M1, end)
        assert is_met(lambda: any(line._inside == len(SYMBOLS) for line in demo_provider._history._lines))
        demo_market.faults.inject(fault)
        assert found.result(30) == {s: truth(demo_market.market, s, Interval.M1, end) for s in SYMBOLS}


def test_many_loads_take_a_fresh_connection_now_and_then(history, demo_market):
    lines = []
    with ExitStack() as kept:
        for number in range(1, 42):
            with history.chart("DEMO:BTCUSD") as opened:
                opened.load("1", 5)
                if opened._line not in lines:
                    lines.append(opened._line)
            if number == 10:  # a load that takes its time keeps its connection while others move on
                slow = kept.enter_context(history.chart("DEMO:ETHUSD"))
        assert len(lines) == 3
        slow.load("1", 7)
        assert len(slow.chart.rows) == 7
    assert lines[0].is_over
    assert lines[0]._socket is None


def test_a_connection_is_used_again_until_it_was_idle(demo_market):
    now = 0.0
    history = HistoryConnection(demo_market.url, random=random.random, monotonic=lambda: now)
    lines = []
    for wait in (0, 1, 9, 11):  # seconds since the load before
        now += wait
        with history.chart("DEMO:BTCUSD") as opened:
            lines.append(opened._line)
    history.close()
    assert lines[0] is lines[1] is lines[2]
    assert lines[3] is not lines[0]


def test_a_refused_connection_is_an_error_of_each_load_that_says_when_to_come_back(demo_provider, demo_market):
    demo_market.faults.set(rate_limit=True)
    end = datetime.now(UTC)
    found = list(outcomes(demo_provider, demo_market.market, SYMBOLS, Interval.M1, end).values())
    assert {type(error) for error in found} == {ProviderUnavailable}
    assert {error.retry_after_seconds for error in found} == {30}
    assert len({id(error) for error in found}) == len(SYMBOLS)


def test_too_many_sessions_are_said_with_a_time_and_loads_under_way_go_on(demo_provider, demo_market):
    demo_market.faults.set(load_delay_seconds=0.5)
    end = datetime.now(UTC) - timedelta(minutes=20)
    market = demo_market.market
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(loaded, demo_provider, market.instrument("DEMO:BTCUSD"), Interval.M1, end)
        assert is_met(lambda: any(line._inside for line in demo_provider._history._lines))
        assert is_met(lambda: any(chart.info for chart in demo_provider._history._lines[0]._session.charts.values()))
        demo_market.faults.set(session_limit=True)
        with pytest.raises(ProviderUnavailable, match="max sessions") as limited:
            loaded(demo_provider, market.instrument("DEMO:AAPL"), Interval.M1, end)
        assert limited.value.retry_after_seconds == 30
        demo_market.faults.set(session_limit=False)
        assert under_way.result(10) == truth(market, "DEMO:BTCUSD", Interval.M1, end)


def test_the_providers_clock_tells_what_is_closed(demo_market):
    """A clock of ours that is an hour ahead must not pass a bar in progress off as a closed one."""
    provider = get_provider("demo", url=demo_market.url, clock=lambda: time.time_ns() + 3_600 * 10**9)
    instrument = demo_market.market.instrument("DEMO:BTCUSD")
    now = datetime.now(UTC)
    for interval in (Interval.M1, Interval.H1, Interval.D1, Interval.MN1):
        start = now - timedelta(days=62)
        pages = list(provider.fetch_bars(instrument, interval, start, now + timedelta(days=40)))
        assert max(bar.close_time for page in pages for bar in page) <= datetime.now(UTC)
    provider.close()

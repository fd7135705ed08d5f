"""The provider against the demo market's real server: what arrives equals what was traded, whatever goes wrong.

What all providers keep to is in tests/providers/test_contract.py.
"""

import time
from datetime import UTC, datetime, timedelta

import pytest

from domain.bar import BarState
from domain.errors import ProviderRejected, ProviderUnavailable
from domain.interval import Interval
from domain.tick import Quote
from providers import get_provider
from providers.base import FeedEventKind
from providers.tradingview.client import Timing
from tests.providers.collector import Collector

SYMBOLS = ["DEMO:BTCUSD", "DEMO:AAPL", "DEMO:EURUSD", "DEMO:ES1!", "DEMO:7203", "DEMO:DEMO500", "DEMO:VOD", "DEMO:BREZ"]
FAST = Timing(pulse_seconds=0.02)


@pytest.fixture
def demo_provider(demo_market):
    provider = get_provider("demo", url=demo_market.url, search_url=demo_market.search_url)
    yield provider
    provider.close()


def fetched(provider, instrument, interval, start, end):
    [page] = provider.fetch_bars(instrument, interval, start, end)
    return list(page)


def closed_truth(market, symbol, interval, start, end):
    bars = market.bars(symbol, interval, start, end, datetime.now(UTC))
    return [bar for bar in bars if bar.state is BarState.FINAL]


# History


def test_bars_of_an_index_have_no_volume(demo_provider):
    now = datetime.now(UTC)
    instrument = demo_provider.resolve("DEMO:DEMO500")
    bars = fetched(demo_provider, instrument, Interval.M1, now - timedelta(minutes=10), now)
    assert not instrument.has_volume
    assert bars
    assert all(bar.volume == 0 for bar in bars)


def test_search_finds_symbols_by_part_of_their_name(demo_provider):
    found = demo_provider.search("DEMO:btc")
    assert [match.symbol for match in found] == ["DEMO:BTCUSD"]
    assert "<em>" not in found[0].name
    assert demo_provider.search("トヨタ")[0].symbol == "DEMO:7203"
    assert demo_provider.search("   ") == []
    assert demo_provider.search("no such thing") == []


@pytest.mark.parametrize(
    "fault", ["drop", "close", "garbage", "bad_json", "wrong_length", "truncated", "protocol_error"]
)
def test_history_is_whole_after_a_fault_between_loads(demo_provider, demo_market, fault):
    instrument = demo_provider.resolve("DEMO:BTCUSD")
    end = datetime.now(UTC) - timedelta(minutes=2)
    demo_market.faults.inject(fault)
    start = end - timedelta(minutes=200)
    bars = fetched(demo_provider, instrument, Interval.M1, start, end)
    assert bars == closed_truth(demo_market.market, "DEMO:BTCUSD", Interval.M1, start, end)


@pytest.mark.parametrize(
    "switches",
    [
        {"duplicate_bars": True},
        {"out_of_order_bars": True},
        {"updates_per_load": 7},
        {"glue": True},
        {"load_delay_seconds": 0.2},
        {"no_heartbeat": True},
    ],
)
def test_odd_ways_of_sending_change_no_bar(demo_provider, demo_market, switches):
    demo_market.faults.set(**switches)
    instrument = demo_provider.resolve("DEMO:ETHUSD")
    end = datetime.now(UTC) - timedelta(minutes=2)
    start = end - timedelta(minutes=300)
    bars = fetched(demo_provider, instrument, Interval.M1, start, end)
    assert bars == closed_truth(demo_market.market, "DEMO:ETHUSD", Interval.M1, start, end)


def test_refusals_tell_whether_to_come_back(demo_provider, demo_market):
    instrument = demo_provider.resolve("DEMO:BTCUSD")
    now = datetime.now(UTC)
    demo_market.faults.set(series_errors=["DEMO:BTCUSD"])
    with pytest.raises(ProviderRejected):
        fetched(demo_provider, instrument, Interval.M1, now - timedelta(hours=1), now)
    demo_market.faults.clear()
    demo_market.faults.set(session_limit=True)
    with pytest.raises(ProviderUnavailable) as limited:
        fetched(demo_provider, instrument, Interval.M1, now - timedelta(hours=1), now)
    assert limited.value.retry_after_seconds == 30
    demo_market.faults.clear()
    demo_provider.close()
    demo_market.faults.set(rate_limit=True)
    with pytest.raises(ProviderUnavailable, match="429") as refused:
        demo_provider.resolve("DEMO:AAPL")
    assert refused.value.retry_after_seconds >= 30
    demo_market.faults.clear()
    demo_market.faults.set(refuse_token=True)
    with pytest.raises(ProviderRejected, match="token"):
        demo_provider.resolve("DEMO:AAPL")
    demo_market.faults.clear()
    assert demo_provider.resolve("DEMO:AAPL").symbol == "DEMO:AAPL"


# The stream


def sped_up(factor):
    begin = time.time()
    return lambda: begin + (time.time() - begin) * factor


def as_told(ticks):
    """Ticks as the wire tells them: whole seconds."""
    return [(tick.time_ns // 10**9, tick.price, tick.lots) for tick in ticks]


def traded(demo, symbol, since_s, until_s):
    """The market's ledger; an index tells nothing of a trade that changes nothing."""
    ledger = as_told(demo.market.ticks(symbol, since_s * 10**9, until_s * 10**9))
    if demo.market.instrument(symbol).has_volume:
        return ledger
    return [entry for number, entry in enumerate(ledger) if number == 0 or entry != ledger[number - 1]]


def assert_is_piece_of(got, ledger):
    """``got`` is ``ledger`` from some place on, without a hole."""
    starts = [number for number in range(len(ledger)) if ledger[number : number + len(got)] == got]
    assert len(starts) == 1


async def test_streamed_ticks_are_the_markets_own(start_demo_market):
    clock = sped_up(30)
    demo = start_demo_market(clock=clock, always_open=True)
    provider = get_provider("demo", url=demo.url, search_url=demo.search_url, timing=FAST)
    instruments = [demo.market.instrument(symbol) for symbol in [*SYMBOLS, "DEMO:XRPUSD"]]
    started = int(clock())
    collector = Collector(provider, instruments)
    await collector.until(lambda seen: all(len(seen.ticks(each.symbol)) > 12 for each in instruments))
    await collector.stream.close()
    for instrument in instruments:
        ticks = collector.ticks(instrument.symbol)
        ledger = traded(demo, instrument.symbol, started - 1_000, int(clock()) + 1)
        assert_is_piece_of(as_told(ticks), ledger)
        assert [tick.key for tick in ticks] == sorted({tick.key for tick in ticks})
        assert len(collector.told(FeedEventKind.SUBSCRIBED, instrument.symbol)) == 1


async def test_running_volume_is_the_baseline_and_the_ticks(start_demo_market):
    demo = start_demo_market(clock=sped_up(30), always_open=True)
    provider = get_provider("demo", url=demo.url, search_url=demo.search_url, timing=FAST)
    instrument = demo.market.instrument("DEMO:BTCUSD")
    collector = Collector(provider, [instrument])
    await collector.until(lambda seen: len(seen.ticks()) > 60)
    await collector.stream.close()
    last = [event for event in collector.events if isinstance(event, Quote)][-1]
    baseline = collector.told(FeedEventKind.SUBSCRIBED)[0].volume
    lots = sum(tick.lots for tick in collector.ticks())
    assert round(last.volume * 10**8) == round(baseline * 10**8) + lots
    assert last.last == collector.ticks()[-1].price
    assert last.bid <= last.ask
    assert last.low <= last.last <= last.high


@pytest.mark.parametrize("fault", ["drop", "close", "protocol_error"])
async def test_a_lost_connection_loses_only_the_gap(start_demo_market, fault):
    clock = sped_up(30)
    demo = start_demo_market(clock=clock, always_open=True)
    provider = get_provider("demo", url=demo.url, search_url=demo.search_url, timing=FAST)
    instrument = demo.market.instrument("DEMO:BTCUSD")
    started = int(clock())
    collector = Collector(provider, [instrument])
    await collector.until(lambda seen: len(seen.ticks()) > 20)
    before = len(collector.ticks())
    demo.faults.inject(fault)
    await collector.until(lambda seen: seen.told(FeedEventKind.DISCONNECTED))
    at_break = len(collector.ticks())
    await collector.until(lambda seen: len(seen.ticks()) > at_break + 20)
    await collector.stream.close()
    assert before <= at_break
    ended = collector.told(FeedEventKind.DISCONNECTED)[0]
    assert ended.reason
    assert 0.5 <= ended.retry_in_seconds <= 30
    ledger = traded(demo, instrument.symbol, started - 1_000, int(clock()) + 1)
    ticks = as_told(collector.ticks())
    assert_is_piece_of(ticks[:at_break], ledger)
    assert_is_piece_of(ticks[at_break:], ledger)
    # What was traded while away is the gap's, to the lot.
    gap = sum(round(event.volume * 10**8) for event in collector.told(FeedEventKind.GAP_VOLUME))
    last = ledger.index(ticks[at_break - 1])
    first = next(n for n in range(len(ledger)) if ledger[n : n + len(ticks) - at_break] == ticks[at_break:])
    assert gap == sum(lots for _, _, lots in ledger[last + 1 : first])


@pytest.mark.parametrize("fault", ["garbage", "bad_json"])
async def test_garbage_between_messages_loses_nothing(start_demo_market, fault):
    clock = sped_up(30)
    demo = start_demo_market(clock=clock, always_open=True)
    provider = get_provider("demo", url=demo.url, search_url=demo.search_url, timing=FAST)
    instrument = demo.market.instrument("DEMO:BTCUSD")
    started = int(clock())
    collector = Collector(provider, [instrument])
    await collector.until(lambda seen: len(seen.ticks()) > 10)
    demo.faults.inject(fault)
    await collector.until(lambda seen: seen.told(FeedEventKind.GARBAGE))
    number = len(collector.ticks())
    await collector.until(lambda seen: len(seen.ticks()) > number + 20)
    await collector.stream.close()
    assert_is_piece_of(as_told(collector.ticks()), traded(demo, instrument.symbol, started - 1_000, int(clock()) + 1))


async def test_symbols_come_and_go_while_streaming(start_demo_market):
    demo = start_demo_market(clock=sped_up(30), always_open=True)
    provider = get_provider("demo", url=demo.url, search_url=demo.search_url, timing=FAST)
    bitcoin, apple = demo.market.instrument("DEMO:BTCUSD"), demo.market.instrument("DEMO:AAPL")
    collector = Collector(provider, [bitcoin])
    await collector.until(lambda seen: len(seen.ticks("DEMO:BTCUSD")) > 5)
    collector.stream.set_instruments([apple])
    await collector.until(lambda seen: len(seen.ticks("DEMO:AAPL")) > 5)
    number = len(collector.ticks("DEMO:BTCUSD"))
    await collector.until(lambda seen: len(seen.ticks("DEMO:AAPL")) > 30)
    await collector.stream.close()
    assert len(collector.ticks("DEMO:BTCUSD")) == number
    assert len(collector.told(FeedEventKind.CONNECTED)) == 1


async def test_a_refused_symbol_leaves_the_others_alone(start_demo_market):
    demo = start_demo_market(clock=sped_up(30), always_open=True)
    demo.faults.set(symbol_errors=["DEMO:AAPL"])
    provider = get_provider("demo", url=demo.url, search_url=demo.search_url, timing=FAST)
    collector = Collector(provider, [demo.market.instrument(each) for each in ("DEMO:AAPL", "DEMO:BTCUSD")])
    await collector.until(lambda seen: len(seen.ticks("DEMO:BTCUSD")) > 5)
    await collector.stream.close()
    refused = collector.told(FeedEventKind.SYMBOL_ERROR)
    assert [event.symbol for event in refused] == ["DEMO:AAPL"]
    assert refused[0].reason == "no_such_symbol"


@pytest.fixture
def fast_market(start_demo_market):
    """A market and a provider whose time runs ten times as fast, the limits of silence included."""
    clock = sped_up(10)
    demo = start_demo_market(clock=clock, always_open=True)
    options = {"clock": lambda: int(clock() * 10**9), "timing": FAST}
    return demo, get_provider("demo", url=demo.url, search_url=demo.search_url, **options), clock


async def test_a_stalled_feed_is_known_within_15_seconds_and_left(fast_market):
    demo, provider, clock = fast_market
    collector = Collector(provider, [demo.market.instrument("DEMO:BTCUSD")])
    await collector.until(lambda seen: len(seen.ticks()) > 3)
    demo.faults.set(stall=True)  # heartbeats go on
    stalled = clock()
    await collector.until(lambda seen: seen.told(FeedEventKind.DISCONNECTED))
    assert clock() - stalled < 15
    assert "no answer to a probe of DEMO:BTCUSD" in collector.told(FeedEventKind.DISCONNECTED)[0].reason
    demo.faults.clear()
    number = len(collector.ticks())
    await collector.until(lambda seen: len(seen.ticks()) > number)
    await collector.stream.close()


async def test_a_symbol_that_dies_alone_is_noticed_while_others_trade(fast_market):
    demo, provider, _ = fast_market
    instruments = [demo.market.instrument(each) for each in ("DEMO:BTCUSD", "DEMO:NVDA")]
    collector = Collector(provider, instruments)
    await collector.until(lambda seen: all(len(seen.ticks(each.symbol)) > 3 for each in instruments))
    demo.faults.set(muted_symbols=["DEMO:NVDA"])
    await collector.until(lambda seen: seen.told(FeedEventKind.DISCONNECTED))
    await collector.stream.close()
    assert "DEMO:NVDA traded and we were not told" in collector.told(FeedEventKind.DISCONNECTED)[0].reason


async def test_a_quiet_symbol_is_not_a_dead_one(fast_market):
    demo, provider, _ = fast_market
    collector = Collector(provider, [demo.market.instrument("DEMO:THIN")])
    await collector.until(lambda seen: len(seen.told(FeedEventKind.PROBED, "DEMO:THIN")) > 1, seconds=30)
    await collector.stream.close()
    assert not collector.told(FeedEventKind.DISCONNECTED)


async def test_being_limited_is_waited_out(demo_market):
    demo_market.faults.set(rate_limit=True)
    provider = get_provider("demo", url=demo_market.url, search_url=demo_market.search_url)
    collector = Collector(provider, [demo_market.market.instrument("DEMO:BTCUSD")])
    await collector.until(lambda seen: seen.told(FeedEventKind.DISCONNECTED))
    await collector.stream.close()
    refused = collector.told(FeedEventKind.DISCONNECTED)[0]
    assert "429" in refused.reason
    assert refused.retry_in_seconds >= 30

"""What every provider keeps to, whatever its wire: each one registered against a local server, whose truth is known."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from domain.bar import BarSource, BarState
from domain.calendars import get_calendar
from domain.errors import NaiveTime, ProviderUnavailable, UnknownSymbol, UnsupportedInterval
from domain.interval import Interval
from domain.tick import Quote, Tick
from providers import provider_names
from providers.base import FeedEvent, FeedEventKind
from tests.providers.collector import Collector
from tests.providers.venues import STREAMS, VENUES, wait_for

LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def venue_named():
    """Each venue is started once."""
    started = {}

    def start(name):
        assert name in STREAMS, f"{name} needs a line in tests/providers/venues.py"
        return started[name] if name in started else started.setdefault(name, STREAMS[name](name))

    yield start
    for venue in started.values():
        venue.stop()


@pytest.fixture(params=provider_names())
def venue(request, venue_named):
    found = venue_named(request.param)
    yield found
    found.heal()


@pytest.fixture
def provider(venue):
    with closing(venue.open()) as found:
        yield found


@pytest.fixture(params=(*provider_names(), "recording"))
def source(request, venue_named):
    """A venue that may do nothing but stream."""
    return venue_named(request.param)


@pytest.fixture
def feed(source):
    with closing(source.open()) as found:
        yield found


def bars_of(pages):
    return sorted((bar for page in pages for bar in page), key=lambda bar: bar.open_time)


def fetched(provider, instrument, interval, start, end):
    return bars_of(provider.fetch_bars(instrument, interval, start, end))


def recent(venue, interval, bars=60):
    """From when on to ask for a few bars, over a weekend and a session at least."""
    return venue.now - max(timedelta(seconds=(interval.seconds or 40 * 86_400) * bars), timedelta(days=1, hours=6))


# What it says of itself and of symbols


def test_it_says_what_it_can_do(feed, source):
    can = feed.capabilities
    assert feed.name == source.name
    assert can.intervals <= set(Interval)
    assert can.window_bars is None or can.window_bars >= can.page_bars
    assert can.page_bars > 0


def test_a_symbol_resolves_to_its_instrument(provider, venue):
    for symbol in venue.symbols:
        assert provider.resolve(symbol) == venue.instrument(symbol)


def test_a_symbol_is_found_by_its_ticker_and_nothing_by_nothing(provider, venue):
    for symbol in venue.symbols[:3]:
        assert symbol in [match.symbol for match in provider.search(symbol.partition(":")[2])]
    assert len(provider.search(venue.symbols[0].partition(":")[0], limit=2)) <= 2


def test_what_is_not_there_is_found_by_nobody_and_said_to_be_unknown(feed, source):
    assert feed.search(" ") == feed.search("no such thing at all") == []
    with pytest.raises(UnknownSymbol):
        feed.resolve(source.unknown)


def test_there_are_no_bars_of_what_is_not_there(provider, venue):
    unknown = replace(venue.instrument(venue.symbols[0]), symbol=venue.unknown, provider_code=venue.unknown)
    with pytest.raises(UnknownSymbol):
        fetched(provider, unknown, Interval.H1, venue.now - timedelta(days=1), venue.now)


# Bars


@pytest.mark.untraced
@pytest.mark.parametrize("interval", list(Interval))
def test_bars_are_the_venues_own_with_our_keys_and_spans_and_all_closed(feed, source, interval):
    start, end = recent(source, interval), source.now + timedelta(days=40)
    if interval not in feed.capabilities.intervals:
        with pytest.raises(UnsupportedInterval):
            fetched(feed, source.instrument(source.symbols[0]), interval, start, end)
        return
    for symbol in source.symbols:
        instrument = source.instrument(symbol)
        bars = fetched(feed, instrument, interval, start, end)
        assert bars == source.truth(symbol, interval, start, end)
        assert bars or symbol != source.symbols[0]
        assert_are_canonical(bars, instrument, interval)
        assert all(bar.close_time <= source.now - timedelta(seconds=instrument.delay_seconds) for bar in bars)


def assert_are_canonical(bars, instrument, interval):
    """Keys and spans are those of the calendar, times are in UTC, and what is told is final."""
    calendar = get_calendar(instrument.calendar)
    for bar in bars:
        assert all(time.tzinfo is UTC for time in (bar.open_time, bar.starts_at, bar.close_time))
        key = int(bar.open_time.timestamp())
        [window] = calendar.windows(interval, key, key + 1)
        assert (bar.starts_at.timestamp(), bar.close_time.timestamp()) == (window.start, window.end)
        assert (bar.symbol, bar.interval) == (instrument.symbol, interval)
        assert (bar.state, bar.source) == (BarState.FINAL, BarSource.HISTORY)


def test_the_start_is_included_and_the_end_is_not(provider, venue):
    instrument, now = venue.instrument(venue.symbols[0]), venue.now
    known = venue.truth(venue.symbols[0], Interval.M1, now - timedelta(minutes=30), now)
    first, last = known[3].open_time, known[-4].open_time
    just, hour = timedelta(microseconds=1), timedelta(hours=1)
    for start, end, wanted in (
        (first, last, known[3:-4]),
        (first + just, last + just, known[4:-3]),
        (first - just, last - just, known[3:-4]),
        (last, last, []),
        (last, first, []),
        (now + hour, now + 2 * hour, []),
    ):
        assert fetched(provider, instrument, Interval.M1, start, end) == wanted


def test_what_was_told_as_closed_never_changes_and_what_closes_is_told(provider, venue):
    instrument = venue.instrument(venue.symbols[0])
    start, end = venue.now - timedelta(minutes=90), venue.now + timedelta(hours=1)
    before = {each: fetched(provider, instrument, each, start, end) for each in (Interval.M1, Interval.M5, Interval.H1)}
    venue.pass_time(3_700)
    for interval, bars in before.items():
        after = fetched(provider, instrument, interval, start, end)
        assert after[: len(bars)] == bars
        assert len(after) >= len(bars) + 3_600 // interval.seconds


def test_pages_are_ascending_and_join_in_one_direction(venue):
    symbol, interval, window_bars = venue.deep
    with closing(venue.open(window_bars=window_bars)) as provider:
        pages = list(provider.fetch_bars(venue.instrument(symbol), interval, LONG_AGO, venue.now))
    assert len(pages) > 1
    for page in pages:
        assert 0 < len(page) <= provider.capabilities.page_bars
        assert all(one.open_time < other.open_time for one, other in pairwise(page))
    newest_first = pages[0][0].open_time > pages[1][0].open_time
    in_time = pages[::-1] if newest_first else pages
    assert bars_of(pages) == [bar for page in in_time for bar in page]
    assert bars_of(pages) == venue.truth(symbol, interval, LONG_AGO, venue.now)[-len(bars_of(pages)) :]
    assert [page for page in pages if page.truncated_before] == in_time[:1]


def test_nothing_beyond_the_window_is_asked_for_and_where_it_begins_is_said(venue):
    fresh = VENUES[venue.name](venue.name)  # which nobody has asked for more
    with closing(fresh.open(window_bars=300)) as provider:
        instrument = fresh.instrument(fresh.symbols[0])
        pages = list(provider.fetch_bars(instrument, Interval.M1, fresh.now - timedelta(days=2), fresh.now))
        inside = list(provider.fetch_bars(instrument, Interval.M1, fresh.now - timedelta(hours=2), fresh.now))
    fresh.stop()
    bars = bars_of(pages)
    assert 290 <= len(bars) <= 300
    assert fresh.most_asked <= 300
    assert [(page.truncated_before, page.reason) for page in pages] == [
        (bars[0].open_time, "beyond the provider's window of 300 bars")
    ]
    assert [(page.truncated_before, page.reason) for page in inside] == [(None, "")]


def test_where_history_begins_is_said_even_by_a_page_without_bars(provider, venue):
    symbol, interval, begins = venue.oldest
    instrument = venue.instrument(symbol)
    pages = list(provider.fetch_bars(instrument, interval, LONG_AGO, venue.now))
    told = [(page.truncated_before, page.reason) for page in pages if page.truncated_before]
    assert told == [(begins, "none at provider")]
    assert bars_of(pages)[0].open_time == begins
    [empty] = provider.fetch_bars(instrument, interval, LONG_AGO, begins - timedelta(days=400))
    assert (list(empty), empty.reason) == ([], "none at provider")


def test_a_time_without_a_zone_and_an_interval_of_nobodys_are_refused(provider, venue):
    instrument, naive = venue.instrument(venue.symbols[0]), venue.now.replace(tzinfo=None)
    for start, end in ((naive, venue.now), (venue.now, naive)):
        with pytest.raises(NaiveTime):
            fetched(provider, instrument, Interval.M1, start, end)
    with pytest.raises(UnsupportedInterval):
        fetched(provider, instrument, "7m", venue.now, venue.now)


# Trouble


def questions(provider, venue) -> list[Callable[[], object]]:
    instrument = venue.instrument(venue.symbols[0])
    return [
        lambda: provider.resolve(instrument.symbol),
        lambda: fetched(provider, instrument, Interval.H1, venue.now - timedelta(days=1), venue.now),
    ]


def test_a_rate_limit_is_an_error_that_says_when_to_come_back(provider, venue):
    venue.limit()
    for ask in questions(provider, venue):
        with pytest.raises(ProviderUnavailable) as limited:
            ask()
        assert limited.value.retry_after_seconds >= 1
    venue.heal()
    assert all(ask() for ask in questions(provider, venue))


def test_a_provider_that_is_away_is_unavailable(venue):
    with closing(venue.open_elsewhere()) as provider:
        for ask in questions(provider, venue):
            with pytest.raises(ProviderUnavailable):
                ask()


def test_several_threads_may_load_at_once(provider, venue):
    venue.delay_answers(0.05)
    start, end = venue.now - timedelta(hours=4), venue.now

    def load(symbol):
        return fetched(provider, provider.resolve(symbol), Interval.M5, start, end)

    with ThreadPoolExecutor(len(venue.symbols)) as pool:
        found = list(pool.map(load, venue.symbols))
    assert found == [venue.truth(symbol, Interval.M5, start, end) for symbol in venue.symbols]


def test_closing_ends_loads_that_hang_and_the_provider_is_of_use_afterwards(provider, venue):
    venue.hang()
    start, end = venue.now - timedelta(hours=4), venue.now
    known = venue.hanging

    def load(symbol):
        return fetched(provider, venue.instrument(symbol), Interval.M5, start, end)

    with ThreadPoolExecutor(len(venue.symbols)) as pool:
        loads = [pool.submit(load, symbol) for symbol in venue.symbols]
        wait_for(lambda: venue.hanging == known + len(loads))
        began = time.monotonic()
        provider.close()
        assert {type(each.exception(10)) for each in loads} == {ProviderUnavailable}
        assert time.monotonic() - began < 5
    provider.close()
    venue.heal()
    assert load(venue.symbols[0]) == venue.truth(venue.symbols[0], Interval.M5, start, end)


# The stream


@pytest.fixture
async def streamed(feed, source):
    """What came of three symbols, until the first of them has traded a while."""
    symbols = source.symbols[:3]
    collector = Collector(feed, map(source.instrument, symbols))
    async with source.running():
        await collector.until(lambda seen: len(seen.ticks(symbols[0])) > 20)
    await collector.close()
    return collector


async def test_a_stream_tells_of_its_connection_then_of_each_symbol_then_its_ticks(streamed, source):
    events = streamed.events
    assert isinstance(events[0], FeedEvent)
    assert events[0].kind is FeedEventKind.CONNECTED
    for symbol in source.symbols[:3]:
        own = [event for event in events if event.symbol == symbol and not isinstance(event, Quote)]
        assert own[0].kind is FeedEventKind.SUBSCRIBED
        assert sum(isinstance(event, FeedEvent) and event.kind is FeedEventKind.SUBSCRIBED for event in own) == 1
    assert {event.symbol for event in events} == {None, *source.symbols[:3]}
    assert all(event.time.tzinfo is UTC for event in events if isinstance(event, FeedEvent))


async def test_ticks_are_numbers_in_order_and_each_is_told_once(streamed):
    for symbol in {tick.symbol for tick in streamed.ticks()}:
        ticks = streamed.ticks(symbol)
        assert all(one.key < other.key for one, other in pairwise(ticks))
        assert all(type(tick.lots) is int and tick.lots >= 0 for tick in ticks)
        assert all(math.isfinite(tick.price) for tick in ticks)


async def test_what_arrived_together_ends_with_a_quote_of_each_symbol_that_spoke(streamed):
    for batch in streamed.batches:
        quotes = [event for event in batch if isinstance(event, Quote)]
        assert batch[len(batch) - len(quotes) :] == quotes
        assert len({quote.symbol for quote in quotes}) == len(quotes)
        assert {event.symbol for event in batch if isinstance(event, Tick)} <= {quote.symbol for quote in quotes}


async def test_a_stream_that_is_closed_says_where_it_stands(streamed, feed):
    """Behind its last tick; nowhere, where the sizes of ticks are their own."""
    baselines = streamed.stream.baselines()
    assert {each.symbol: each.count for each in baselines if each.count} == (
        {} if feed.capabilities.ticks_are_trades else dict(Counter(tick.symbol for tick in streamed.ticks()))
    )


async def test_another_stream_goes_on_from_there(provider, venue):
    instrument = venue.instrument(venue.symbols[0])
    before = Collector(provider, [instrument])
    async with venue.running():
        await before.until(lambda seen: len(seen.ticks()) > 3)
    await before.close()
    after = Collector(provider, [])
    after.stream.restore(before.stream.baselines())
    after.stream.set_instruments([instrument])
    async with venue.running():
        await after.until(lambda seen: len(seen.ticks()) > 3)
    await after.close()
    keys = [tick.key for tick in (*before.ticks(), *after.ticks())]
    assert keys == sorted(set(keys))


async def test_a_stream_that_follows_nothing_ends_when_it_is_closed(feed):
    collector = Collector(feed, [])
    await collector.close()
    assert collector.ticks() == []

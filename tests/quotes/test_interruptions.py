"""While a feed is away the ledger says why bars are missing: from the feed's events to the holes, on a real MongoDB."""

import asyncio
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest

from domain.aggregation import Aggregator
from domain.coverage import Reason
from domain.errors import StoreUnavailable
from domain.instrument import Instrument
from domain.interval import Interval
from domain.tick import Tick, tick_key
from marketdata.ledger import CoverageLedger
from marketdata.repository import BarRepository
from providers.base import FeedEvent, FeedEventKind
from quotes import interruptions as interruptions_module
from quotes.feed import Feed
from quotes.interruptions import Interruptions
from quotes.stream import Streamer
from quotes.threads import WorkerThread
from tests.factories import bar

BTC = Instrument(symbol="DEMO:BTCUSD", id=1, provider="demo", calendar="24/7")
LATE = Instrument(symbol="DEMO:VOD", id=2, provider="demo", calendar="24/7", delay_seconds=900)
START = datetime(2026, 1, 5, 10, tzinfo=UTC)


class Bench:
    """A streamer without sinks, its interruptions and a clock to set; the first bar of each series is stored."""

    def __init__(self, database, *instruments):
        self.now = START
        self.thread = WorkerThread("ledger")
        self.interruptions = Interruptions(self.thread, clock=lambda: self.now.timestamp())
        self.streamer = Streamer(
            aggregator=Aggregator(), writer=Mock(), publisher=Mock(), audit=Mock(),
            on_hole=self.interruptions.ended, on_away=self.interruptions.began,
            clock_ns=lambda: int(self.now.timestamp()) * 10**9, monotonic=lambda: self.now.timestamp(),
        )  # fmt: skip
        self.feed = Feed(Mock(), self.streamer.take, name="demo")
        self.feed.instruments = {one.symbol: one for one in instruments}
        self.ledger = CoverageLedger(database)
        for one in instruments:
            for interval, before in ((Interval.M1, 2), (Interval.H1, 60)):
                opens = START - timedelta(minutes=before, seconds=one.delay_seconds)
                BarRepository(database).save(
                    one, interval, [bar(f"{opens:%Y-%m-%d %H:%M}", interval.value, symbol=one.symbol)]
                )

    def follow(self, *instruments):
        for one in instruments:
            self.streamer.follow(one, self.feed)

    def at(self, minutes, seconds=0):
        self.now = START + timedelta(minutes=minutes, seconds=seconds)
        return self

    def happens(self, kind, symbol=None, reason=""):
        event = FeedEvent(kind=kind, time=self.now, symbol=symbol, reason=reason, retry_in_seconds=1.0)
        self.streamer.take(self.feed, [event])

    def comes_up(self, *instruments):
        self.happens(FeedEventKind.CONNECTED)
        for one in instruments:
            self.happens(FeedEventKind.SUBSCRIBED, one.symbol)

    def tick(self, instrument):
        time_ns = int(self.now.timestamp()) * 10**9
        self.streamer.take(self.feed, [Tick(instrument.symbol, tick_key(time_ns, 0), 10.0, 1)])

    def tell(self):
        return asyncio.run(self.interruptions.tell())

    def holes(self, instrument, interval=Interval.M1, *, now=None):
        start = START - timedelta(hours=3)
        found = self.ledger.holes(instrument, interval, start, now or self.now, now=now or self.now)
        return [
            (datetime.fromtimestamp(one.start, UTC) - START, one.bars, one.reason, one.detail)
            for one in found
            if one.start >= START.timestamp() - 120 - instrument.delay_seconds
        ]


@pytest.fixture
def bench(mongo_database):
    made = []

    def make(*instruments):
        made.append(Bench(mongo_database, *instruments))
        return made[-1]

    yield make
    for one in made:
        one.thread.close()


def test_while_the_feed_is_away_and_after_it_is_back_its_holes_say_why(bench):
    one = bench(BTC)
    one.follow(BTC)
    one.comes_up(BTC)
    one.at(0, 30).tick(BTC)
    one.at(0, 40).happens(FeedEventKind.DISCONNECTED, reason="the server closed the connection")
    one.at(1, 20).happens(FeedEventKind.DISCONNECTED, reason="connection refused")
    one.at(6).tell()
    down = Reason.FEED_DOWN, "the server closed the connection"
    assert one.at(8).holes(BTC) == [
        (timedelta(minutes=-1), 1, Reason.NOT_ASKED, ""),
        (timedelta(0), 6, *down),
    ]
    one.at(20).tell()
    one.at(20, 30).comes_up(BTC)
    one.tell()
    assert one.at(40).holes(BTC) == [
        (timedelta(minutes=-1), 1, Reason.NOT_ASKED, ""),
        (timedelta(0), 21, *down),  # not one minute more than it was
        (timedelta(minutes=21), 17, Reason.NOT_ASKED, ""),
    ]
    assert one.holes(BTC, Interval.H1, now=START + timedelta(hours=3))[-1][2] is Reason.NOT_ASKED  # it heard a part


def test_what_may_have_cost_no_whole_bar_is_not_noted(bench, mongo_database):
    one = bench(BTC)
    one.follow(BTC)
    one.comes_up(BTC)
    one.at(0, 30).tick(BTC)
    one.happens(FeedEventKind.DISCONNECTED)
    one.at(1, 20).tell()
    one.comes_up(BTC)
    assert one.tell()
    assert [hole[2] for hole in one.at(8).holes(BTC)] == [Reason.NOT_ASKED]


def test_before_a_symbol_was_ever_followed_no_feed_was_down(bench):
    one = bench(BTC)
    one.at(30)
    one.follow(BTC)
    one.at(30, 5).comes_up(BTC)
    one.tell()
    assert [hole[2] for hole in one.at(40).holes(BTC)] == [Reason.NOT_ASKED]


def test_a_feed_that_never_came_up_is_down_since_the_symbol_is_followed(bench):
    one = bench(BTC)
    one.at(10)
    one.follow(BTC)
    one.happens(FeedEventKind.DISCONNECTED, reason="connection refused")
    one.at(20).tell()
    assert [hole[1:] for hole in one.holes(BTC)] == [
        (11, Reason.NOT_ASKED, ""),
        (8, Reason.FEED_DOWN, "connection refused"),
    ]


def test_a_stopped_streamer_is_an_interruption_since_it_stopped(bench):
    one = bench(BTC)
    one.streamer.resume(BTC.symbol, int(START.timestamp() - 86_400) * 10**9, START.timestamp())
    one.at(5)
    one.follow(BTC)
    one.comes_up(BTC)
    one.tell()
    down = [hole[:2] for hole in one.at(20).holes(BTC) if hole[2:] == (Reason.FEED_DOWN, "the streamer was stopped")]
    assert down == [(timedelta(0), 5)]


def test_a_feed_that_is_late_by_contract_misses_earlier_bars(bench):
    one = bench(LATE)
    one.follow(LATE)
    one.comes_up(LATE)
    one.at(30).tick(LATE)
    one.happens(FeedEventKind.DISCONNECTED)
    one.at(40).comes_up(LATE)
    one.tell()
    down = [hole[:2] for hole in one.at(80).holes(LATE) if hole[2] is Reason.FEED_DOWN]
    assert down == [(timedelta(minutes=15), 10)]


def test_a_symbol_that_is_refused_is_without_a_feed_while_others_have_theirs(bench):
    one = bench(BTC, LATE)
    one.follow(BTC, LATE)
    one.comes_up(BTC, LATE)
    one.happens(FeedEventKind.SYMBOL_ERROR, BTC.symbol, reason="no such symbol")
    one.at(10).tell()
    assert one.holes(BTC)[-1][2:] == (Reason.FEED_DOWN, "no such symbol")
    assert {hole[2] for hole in one.holes(LATE)} == {Reason.NOT_ASKED}


def test_while_the_store_is_away_it_is_noted_later(bench, monkeypatch):
    one = bench(BTC)
    one.follow(BTC)
    one.comes_up(BTC)
    one.happens(FeedEventKind.DISCONNECTED)

    def away():
        raise StoreUnavailable("MongoDB does not answer")

    real = interruptions_module.database
    monkeypatch.setattr(interruptions_module, "database", away)
    assert not one.at(5).tell()
    one.at(6).comes_up(BTC)
    assert not one.tell()
    monkeypatch.setattr(interruptions_module, "database", real)
    assert one.tell()
    assert [hole[1] for hole in one.at(20).holes(BTC) if hole[2] is Reason.FEED_DOWN] == [6]


def test_a_note_never_reaches_into_the_next_day(bench):
    one = bench(BTC)
    one.follow(BTC)
    one.comes_up(BTC)
    one.at(13 * 60).tick(BTC)
    one.happens(FeedEventKind.DISCONNECTED)
    one.at(13 * 60 + 58).tell()
    one.at(13 * 60 + 59).comes_up(BTC)
    one.tell()
    tomorrow = [hole for hole in one.at(14 * 60 + 30).holes(BTC) if hole[0] >= timedelta(hours=13)]
    assert [hole[1:3] for hole in tomorrow] == [(59, Reason.FEED_DOWN), (29, Reason.NOT_ASKED)]

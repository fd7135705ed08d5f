"""History that lacks bars, or has them late: told as such, found once it is there, and nothing is ever made up."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from domain.coverage import Reason
from domain.interval import Interval
from marketdata.collections import REVISIONS
from marketdata.ledger import CoverageLedger
from marketdata.repository import BarRepository
from marketdata.services import SeriesSync
from providers import get_provider
from providers.demo.clock import ManualClock
from tests.marketdata.sync.conftest import BTC

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
START, FIRST, STOP = NOON - timedelta(hours=2), NOON - timedelta(minutes=60), NOON - timedelta(minutes=57)
MINUTE = timedelta(minutes=1)


class Place:
    """A demo market whose clock stands still, and a store that is synced from it."""

    def __init__(self, demo, clock, instrument, database):
        self.faults, self._market, self._server, self._clock = demo.faults, demo.market, demo.server, clock
        self._instrument, self._database = instrument, database
        self._provider = get_provider("demo", url=demo.url, clock=lambda: int(clock() * 10**9))
        self.close = self._provider.close

    @property
    def now(self):
        return datetime.fromtimestamp(self._clock(), UTC)

    def wait(self, span):
        """Until the market's next step has seen that so much time has passed."""
        self._clock.advance(span.total_seconds())
        until = time.monotonic() + 10
        while self._server.now_ms < self._clock() * 1_000:
            assert time.monotonic() < until
            time.sleep(0.005)

    def sync(self, interval=Interval.M1):
        series = SeriesSync(
            instrument=self._instrument,
            interval=interval,
            provider=self._provider,
            database=self._database,
            clock=lambda: self.now,
        )
        return series.run(series.plan(START, None, missing_only=True))

    def stored(self, interval=Interval.M1):
        return BarRepository(self._database).between(self._instrument, interval, None, None)

    def truth(self, until, interval=Interval.M1):
        """The market's bars that closed by ``until``."""
        bars = self._market.bars(BTC, interval, START, until, self.now)
        return [bar for bar in bars if bar.close_time <= until]

    def coverage(self, interval=Interval.M1):
        question = (self._instrument, interval, START, self.now)
        return CoverageLedger(self._database).coverage(*question, now=self.now, window_bars=5_000)

    def holes(self):
        return CoverageLedger(self._database).holes(
            self._instrument, Interval.M1, START, self.now, now=self.now, window_bars=5_000
        )

    def revisions(self):
        return self._database[REVISIONS].count_documents({})


@pytest.fixture
def place(bitcoin, start_demo_market, mongo_database):
    clock = ManualClock(NOON.timestamp() + 30)
    demo = start_demo_market(clock=clock, jump_limit_seconds=10**6)
    with closing(Place(demo, clock, bitcoin.instrument(), mongo_database)) as found:
        yield found


def values(bars):
    return [(bar.open_time, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]


def withhold(place):
    """Three minutes at eleven."""
    place.faults.set(withhold=[f"{BTC}/1m/{FIRST.isoformat()}/{STOP.isoformat()}"])


def test_bars_that_the_provider_lacks_are_none_at_provider_and_the_rest_is_whole(place):
    withhold(place)
    result = place.sync()
    whole = place.truth(place.now)
    assert values(place.stored()) == values(bar for bar in whole if not FIRST <= bar.open_time < STOP)
    assert (result.inserted, result.missing) == (len(whole) - 3, 0)
    found = place.coverage()
    assert (found.expected - found.stored, found.empty, found.missing, found.share) == (3, 3, 0, 1.0)
    result = place.sync()
    assert (result.pages, place.holes()) == (0, [])  # not asked for again and again
    assert place.sync(Interval.M5).inserted == len(place.truth(place.now, Interval.M5))  # lacks none of them


def test_they_are_asked_for_once_more_a_day_later_with_the_reason_and_then_settled(place):
    withhold(place)
    asked_at = place.now
    place.sync()
    place.wait(timedelta(days=1, minutes=1))
    [hole] = [hole for hole in place.holes() if hole.reason is Reason.NONE_AT_PROVIDER]
    assert (hole.start, hole.bars) == (FIRST.timestamp(), 3)
    assert hole.detail == f"asked {asked_at:%Y-%m-%d %H:%MZ}"
    place.sync()
    place.wait(timedelta(days=1, minutes=1))
    assert not [hole for hole in place.holes() if hole.reason is Reason.NONE_AT_PROVIDER]
    assert (place.coverage().empty, len(place.stored())) == (3, len(place.truth(place.now)) - 1_441 - 3)


def test_they_are_found_when_they_are_there_after_all(place):
    withhold(place)
    place.sync()
    place.faults.clear()
    place.wait(timedelta(days=1, minutes=1))
    assert place.sync().inserted == 1_441 + 3
    assert values(place.stored()) == values(place.truth(place.now))
    found = place.coverage()
    assert (found.stored, found.empty, found.missing) == (found.expected, 0, 0)
    assert (place.sync().is_changed, place.revisions()) == (False, 0)


@pytest.mark.parametrize("late_seconds", [45, 400])
def test_a_bar_that_closes_late_is_stored_by_a_later_sync_and_never_made_up(place, late_seconds):
    """Within the two minutes that every bar is given, and far beyond them."""
    place.faults.set(closing_delay_seconds=late_seconds)
    for _ in range(12):
        result = place.sync()
        whole = place.truth(place.now - timedelta(seconds=late_seconds))
        assert values(place.stored()) == values(whole)
        assert result.replaced == 0
        place.wait(MINUTE)
    place.faults.clear()
    place.sync()
    assert values(place.stored()) == values(place.truth(place.now))
    found = place.coverage()
    assert (found.stored, found.empty, found.missing) == (found.expected, 0, 0)
    assert place.revisions() == 0

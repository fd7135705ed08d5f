"""Bars deleted by hand, in MongoDB itself: exactly these are missing, and a sync brings exactly these back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.coverage import Reason
from domain.interval import Interval
from marketdata import documents
from marketdata.collections import BARS
from marketdata.coverage import gaps
from marketdata.ledger import CoverageLedger
from marketdata.services import SeriesSync
from providers.demo import demo_instruments
from symbols.services import add_symbols
from symbols.sources import opened_provider

pytestmark = pytest.mark.django_db
REACH = {Interval.M45: timedelta(days=60), Interval.H2: timedelta(days=90), Interval.D1: timedelta(days=600)}


@pytest.fixture
def markets(start_demo_market, settings, repository):
    """A registered symbol for each kind of market: sessions, lunch breaks, clock changes, or none of these."""
    settings.DEMO_MARKET_URL = start_demo_market().url
    one_each = {instrument.calendar: instrument for instrument in demo_instruments()}
    return [symbol for symbol, _ in add_symbols(one_each.values())]


def sync(symbol, interval, database, provider, start=None):
    series = SeriesSync(instrument=symbol.instrument(), interval=interval, provider=provider, database=database)
    return series.run(series.plan(start, None, missing_only=True))


def delete_by_hand(database, symbol, interval, bars):
    keys = [documents.key(symbol.pk, interval, int(bar.open_time.timestamp())) for bar in bars]
    assert database[BARS].delete_many({"_id": {"$in": keys}}).deleted_count == len(keys)


@pytest.mark.untraced
@pytest.mark.timeout(180)
@pytest.mark.parametrize("interval", REACH)
def test_what_is_deleted_by_hand_is_exactly_what_is_missing_until_it_is_filled(
    markets, repository, mongo_database, interval
):
    assert len(markets) >= 5
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - REACH[interval]
    with opened_provider("demo") as provider:
        for symbol in markets:
            instrument = symbol.instrument()
            sync(symbol, interval, mongo_database, provider, start)
            whole = repository.between(instrument, interval, None, None)
            removed = [whole[n] for n in (20, 101, 102, 103, len(whole) - 5)]
            delete_by_hand(mongo_database, symbol, interval, removed)

            found = gaps([symbol], [interval], now=datetime.now(UTC), verifies=True)
            assert sorted((gap.hole.start, gap.hole.bars, gap.hole.reason) for gap in found) == [
                (int(removed[n].open_time.timestamp()), bars, Reason.NOT_ASKED) for n, bars in ((0, 1), (1, 3), (4, 1))
            ], symbol.code
            if interval.is_intraday:  # no calendar knows when 5,000 days will have passed
                assert all(gap.hole.recoverable_until > datetime.now(UTC) for gap in found)

            result = sync(symbol, interval, mongo_database, provider, start)
            assert (result.inserted >= 5, result.replaced, result.missing) == (True, 0, 0)
            assert repository.between(instrument, interval, None, None)[: len(whole)] == whole


def test_a_sync_notices_by_itself_what_is_gone(bitcoin, repository, mongo_database):
    with opened_provider("demo") as provider:
        sync(bitcoin, Interval.H1, mongo_database, provider)
        whole = repository.between(bitcoin.instrument(), Interval.H1, None, None)
        delete_by_hand(mongo_database, bitcoin, Interval.H1, [*whole[40:43], whole[-1]])
        result = sync(bitcoin, Interval.H1, mongo_database, provider)
    assert result.inserted >= 4
    assert repository.between(bitcoin.instrument(), Interval.H1, None, None)[: len(whole)] == whole


def test_a_hole_older_than_the_window_is_beyond_healing_with_the_date(bitcoin, repository, mongo_database):
    with opened_provider("demo") as provider:
        sync(bitcoin, Interval.M1, mongo_database, provider)
    bars = repository.between(bitcoin.instrument(), Interval.M1, None, None)
    delete_by_hand(mongo_database, bitcoin, Interval.M1, bars[10:13])
    ledger, now = CoverageLedger(mongo_database), datetime.now(UTC)
    ledger.verify(bitcoin.instrument(), Interval.M1)
    holes = ledger.holes(bitcoin.instrument(), Interval.M1, None, bars[-1].open_time, now=now, window_bars=1_000)
    since = bars[12 + 1_000].open_time
    assert [(hole.bars, hole.reason, hole.detail) for hole in holes] == [
        (3, Reason.BEYOND_WINDOW, f"beyond the 1,000 bars that the provider keeps since {since:%Y-%m-%d %H:%MZ}")
    ]

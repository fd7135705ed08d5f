"""A split between two syncs: noticed by the next one whatever it asks for, told once, and all history fetched again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from msgspec.structs import replace

from domain.interval import Interval
from marketdata import announcing, resyncs, runs, services
from marketdata.collections import REVISIONS
from marketdata.models import SyncItem, SyncRun
from marketdata.repository import BarRepository
from marketdata.services import SeriesSync
from marketdata.signals import split_found
from providers.base import BarPage
from symbols.models import Symbol
from symbols.services import add_symbol
from symbols.sources import opened_provider
from tests.marketdata.sync.conftest import BTC

M1 = Interval.M1


class SplitProvider:
    """The demo market, whose bars before ``at`` are told on another scale."""

    def __init__(self, provider, at, factor, page_bars=5_000):
        self._provider, self._at, self._factor, self._page_bars = provider, at, factor, page_bars
        self.capabilities = provider.capabilities

    def fetch_bars(self, *question):
        for page in self._provider.fetch_bars(*question):
            scaled = [self._scaled(bar) for bar in page]
            while scaled:  # backwards, as providers page
                yield BarPage(scaled[-self._page_bars :], truncated_before=page.truncated_before, reason=page.reason)
                del scaled[-self._page_bars :]

    def _scaled(self, bar):
        if bar.open_time >= self._at:
            return bar
        prices = {name: round(getattr(bar, name) * self._factor, 2) for name in ("open", "high", "low", "close")}
        return replace(bar, volume=bar.volume / self._factor, **prices)


@pytest.fixture
def heard():
    """What ``split_found`` told."""
    told = []

    def hear(sender, **kwargs):
        told.append((kwargs["symbol"], kwargs["interval"], kwargs["split"]))

    split_found.connect(hear)
    yield told
    split_found.disconnect(hear)


def sync(symbol, database, *, start=None, end=None, at=None, missing_only=True, **options):
    with opened_provider("demo") as provider:
        if at is not None:
            provider = SplitProvider(provider, at, 0.25, **options)
        series = SeriesSync(instrument=symbol.instrument(), interval=M1, provider=provider, database=database)
        start = start or (end and end - timedelta(hours=5))
        result = series.run(series.plan(start, end, missing_only=missing_only))
        services.tell(symbol.instrument(), M1, result)
        return result


@pytest.fixture
def split(bitcoin, mongo_database):
    """Five hours are stored until twenty minutes ago; then came a split, and a sync of what was missing."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    stored_until = now - timedelta(minutes=20)
    sync(bitcoin, mongo_database, end=stored_until)
    SyncRun.objects.all().delete()
    sync(bitcoin, mongo_database, at=stored_until, end=now)
    return stored_until


def test_a_sync_of_what_is_missing_notices_a_split_by_bars_it_knows(bitcoin, repository, heard, split):
    adjustments = repository.series(bitcoin.instrument(), M1).adjustments
    assert [(one.before, one.factor, one.is_open) for one in adjustments] == [(split.timestamp(), 0.25, False)]
    assert heard == [(BTC, M1, adjustments[0])]


def test_all_series_of_the_symbol_are_fetched_again_once(bitcoin, repository, split):
    run = SyncRun.objects.get()
    assert (run.kind, run.missing_only, run.start, run.end) == (SyncRun.Kind.HEALING, False, None, None)
    assert set(run.items.values_list("interval", flat=True)) == {interval.value for interval in Interval}
    assert resyncs.fetch_again(BTC) is None
    runs.cancel(run)
    assert resyncs.fetch_again(BTC) is not None


def test_a_split_found_while_one_series_is_compared_has_the_others_compared(bitcoin, repository, heard, split):
    SyncRun.objects.all().delete()
    now = timezone.now()
    order = runs.Order(series=[(bitcoin, Interval.H1), (bitcoin, Interval.D1)], missing_only=False)
    by_hand, _ = runs.start(order)  # in which a split is found
    by_hand.items.filter(interval="1d").update(state="up_to_date", due_at=None, finished_at=now - timedelta(hours=1))
    run = resyncs.fetch_again(BTC, now)
    assert set(run.items.values_list("interval", flat=True)) == {one.value for one in Interval} - {"1h"}
    done = {"state": "completed", "due_at": None, "finished_at": timezone.now()}
    run.items.filter(interval="1m").update(**done)
    by_hand.items.filter(interval="1h").update(**done)
    assert resyncs.fetch_again(BTC, timezone.now()) is None  # each that finds it in its turn orders nothing more


def test_the_window_is_the_providers_truth_after_that(bitcoin, repository, mongo_database, split):
    instrument = bitcoin.instrument()
    with opened_provider("demo") as provider:
        start = split - timedelta(hours=5)
        pages = SplitProvider(provider, split, 0.25).fetch_bars(instrument, M1, start, split + timedelta(minutes=10))
        truth = sorted((bar for page in pages for bar in page), key=lambda bar: bar.open_time)
    scaled = repository.between(instrument, M1, truth[0].open_time, truth[-1].open_time + timedelta(minutes=1))
    assert [bar.close for bar in scaled] == [pytest.approx(bar.close, abs=0.0051) for bar in truth]
    sync(bitcoin, mongo_database, at=split, missing_only=False)
    assert repository.between(instrument, M1, truth[0].open_time, truth[-1].open_time + timedelta(minutes=1)) == truth
    assert len(repository.series(instrument, M1).adjustments) == 1


def test_a_split_that_a_killed_process_did_not_tell_is_told_by_the_next(bitcoin, mongo_database, heard, split):
    assert announcing.announce_all(mongo_database) == 0
    mongo_database.series.update_one({"announced": True}, {"$set": {"announced": False}})
    assert announcing.announce_all(mongo_database) == 1
    assert announcing.announce_all(mongo_database) == 0
    assert len(heard) == 2


def test_who_fails_to_hear_of_a_split_is_told_again(bitcoin, mongo_database, split):
    mongo_database.series.update_one({"announced": True}, {"$set": {"announced": False}})

    def fail(**kwargs):
        raise ValueError("not now")

    split_found.connect(fail)
    try:
        assert announcing.announce_all(mongo_database) == 0
    finally:
        split_found.disconnect(fail)
    assert announcing.announce_all(mongo_database) == 1


def test_a_retired_symbol_is_left_alone(bitcoin, split):
    SyncItem.objects.all().delete()
    Symbol.objects.update(status=Symbol.Status.RETIRED)
    assert resyncs.fetch_again(BTC) is None


def test_people_find_the_split_once_among_the_feed_events(bitcoin, mongo_database, split):
    from quotes.models import FeedEvent

    mongo_database.series.update_one({"announced": True}, {"$set": {"announced": False}})
    announcing.announce_all(mongo_database)
    event = FeedEvent.objects.get(kind=FeedEvent.Kind.SPLIT)
    assert event.symbol == BTC
    assert event.reason == f"1m bars before {split:%Y-%m-%d %H:%M} UTC are told on another scale: 1 to 4"


def test_a_split_in_small_pages_is_one_split(bitcoin, repository, mongo_database):
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    start, split = now - timedelta(minutes=100), now - timedelta(minutes=20)
    sync(bitcoin, mongo_database, start=start, end=split)
    sync(bitcoin, mongo_database, start=start, end=now, at=split, missing_only=False, page_bars=14)  # the oldest has 2
    instrument = bitcoin.instrument()
    with opened_provider("demo") as provider:
        pages = list(SplitProvider(provider, split, 0.25).fetch_bars(instrument, M1, start, now - timedelta(minutes=2)))
    assert repository.between(instrument, M1, None, now - timedelta(minutes=2)) == list(pages[0])
    assert len(repository.series(instrument, M1).adjustments) == 1


def test_a_stock_that_is_split_at_the_market_ends_on_one_scale_everywhere(
    db, start_demo_market, settings, mongo_database, monkeypatch, heard
):
    """Sync, split, sync again: all that can be fetched is the market's truth, what is older is brought to its scale."""
    monkeypatch.setattr("marketdata.mongo._databases", {})
    demo = start_demo_market(always_open=True)
    settings.DEMO_MARKET_URL = demo.url
    stock = add_symbol(code="DEMO:AAPL", details=demo.market.instrument("DEMO:AAPL"), streaming=False)[0]
    instrument, repository = stock.instrument(), BarRepository(mongo_database)
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    start, edge, stop = now - timedelta(minutes=600), now - timedelta(minutes=300), now - timedelta(minutes=30)
    sync(stock, mongo_database, start=start, end=stop)
    as_traded = repository.between(instrument, M1, None, None)
    demo.market.splits.split("DEMO:AAPL", 4)
    sync(stock, mongo_database, start=edge, end=now)  # notices it by what it knows
    sync(stock, mongo_database, start=edge, end=now, missing_only=False)  # as the run does that it ordered

    known = repository.series(instrument, M1)
    assert [(one.factor, one.is_open) for one in known.adjustments] == [(0.25, False)]
    assert heard == [("DEMO:AAPL", M1, known.adjustments[0])]
    assert SyncRun.objects.filter(kind=SyncRun.Kind.HEALING, missing_only=False).count() == 1
    truth = demo.market.bars("DEMO:AAPL", M1, edge, known.last, now)
    stored = [bar for bar in repository.between(instrument, M1, edge, known.last) if bar.open_time < known.last]
    assert [_values(bar) for bar in stored] == [_values(bar) for bar in truth]
    older = repository.between(instrument, M1, None, edge - timedelta(minutes=40))  # which a sync tells once more
    assert len(older) > 200
    assert [bar.close for bar in older] == [bar.close * 0.25 for bar in as_traded[: len(older)]]
    assert [bar.volume for bar in older] == [bar.volume * 4 for bar in as_traded[: len(older)]]
    kept = mongo_database[REVISIONS].count_documents({})
    assert kept == len(as_traded) - len(older)
    version = known.version
    sync(stock, mongo_database, start=edge, end=now - timedelta(minutes=5), missing_only=False)
    assert repository.series(instrument, M1).version == version


def _values(bar):
    return bar.open_time, bar.open, bar.high, bar.low, bar.close, bar.volume

"""Bars that the stream closed, confirmed or corrected by history shortly after; bounded, the most urgent first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from msgspec.structs import replace

from domain.bar import BarSource, BarState
from domain.interval import Interval
from marketdata import reconcile, scheduled, tasks
from marketdata.ledger import CoverageLedger
from marketdata.models import SyncItem, SyncLane, SyncRun
from marketdata.mongo import database
from marketdata.services import SeriesSync
from symbols.sources import opened_provider

M1, H1 = Interval.M1, Interval.H1


def truth(symbol, interval, start, end):
    """What history tells."""
    with opened_provider("demo") as provider:
        pages = list(provider.fetch_bars(symbol.instrument(), interval, start, end))
    return sorted((bar for page in pages for bar in page), key=lambda bar: bar.open_time)


def streamed(bars, **values):
    """The same bars as our stream would have closed them."""
    return [replace(bar, state=BarState.PROVISIONAL, source=BarSource.STREAM, **values) for bar in bars]


@pytest.fixture
def minutes(alone, repository):
    """Half an hour that was streamed, its last bar closed two minutes ago; one bar of it is wrong."""
    end = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=2)
    bars = truth(alone, M1, end - timedelta(minutes=30), end)
    ours = streamed(bars)
    ours[7] = replace(ours[7], high=ours[7].high * 2)
    repository.save(alone.instrument(), M1, ours)
    return bars


def work():
    """Let a worker do what is queued."""
    [lane] = SyncLane.objects.filter(provider="demo").exclude(queued_at=None)[:1]
    return tasks.work("demo", lane.number, lane.ticket)


def due(now=None):
    return [(one.symbol.code, one.interval) for one in reconcile.due(database(), now or timezone.now())]


def test_history_confirms_and_corrects_what_the_stream_built(alone, repository, minutes):
    instrument = alone.instrument()
    words = scheduled.reconcile()
    run = SyncRun.objects.get(kind=SyncRun.Kind.RECONCILE)
    assert words == f"run {run.pk}: 1 series"
    assert (run.start, run.priority) == (minutes[0].open_time - timedelta(minutes=5), SyncRun.Priority.SOON)
    work()
    assert repository.between(instrument, M1, minutes[0].open_time, minutes[-1].close_time) == minutes
    known = repository.series(instrument, M1)
    assert (known.fidelity.compared, known.fidelity.confirmed) == (30, 29)
    assert known.fidelity.price_largest == pytest.approx(0.5)
    assert scheduled.reconcile() == "nothing to reconcile"
    assert repository.series(instrument, M1).unconfirmed is None


def test_bars_right_before_the_stream_began_are_asked_for_too(alone, repository, minutes):
    """The sync that was ordered then could not tell whether they are absent or late."""
    instrument = alone.instrument()
    begun = minutes[0].open_time
    before = truth(alone, M1, begun - timedelta(minutes=30), begun)
    repository.save(instrument, M1, before[:-2])
    ledger, now = CoverageLedger(database()), timezone.now()
    assert [hole.bars for hole in ledger.holes(instrument, M1, None, begun, now=now)] == [2]
    scheduled.reconcile()
    work()
    assert ledger.holes(instrument, M1, None, begun, now=now) == []
    assert repository.between(instrument, M1, None, begun) == before


def test_bars_that_may_still_be_amended_are_left_alone(alone, repository):
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    [bar] = truth(alone, M1, now - timedelta(minutes=3), now - timedelta(minutes=2))
    repository.save(alone.instrument(), M1, streamed([bar]))
    assert due(bar.close_time + timedelta(seconds=59)) == []
    assert due(bar.close_time + timedelta(seconds=61)) == [(alone.code, M1)]


def test_a_series_that_somebody_asks_for_already_is_not_asked_for_twice(alone, repository, minutes):
    scheduled.reconcile()
    assert scheduled.reconcile() == "nothing to reconcile"
    assert SyncRun.objects.count() == 1


def test_what_leaves_the_window_first_comes_first_and_a_minute_has_its_bound(alone, repository, minutes, monkeypatch):
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
    for interval in (H1, Interval.H4, Interval.M5):
        start = hour - timedelta(hours=hour.hour % 4)
        repository.save(
            alone.instrument(), interval, streamed(truth(alone, interval, start, start + timedelta(hours=4)))
        )
    assert [interval for _, interval in due()] == [M1, Interval.M5, H1, Interval.H4]
    monkeypatch.setattr(reconcile, "allowed", lambda provider: 3)
    assert scheduled.reconcile().endswith("3 series")
    assert set(SyncItem.objects.values_list("interval", flat=True)) == {"1m", "5m", "1h"}
    assert scheduled.reconcile() == "nothing to reconcile"  # three are under way


def test_the_bound_is_a_share_of_the_providers_budget(settings):
    settings.REQUESTS_PER_MINUTE = {"tradingview": 120, "slow": 2, "demo": 12_000}
    assert [reconcile.allowed(name) for name in ("tradingview", "slow", "demo", "free")] == [30, 1, 200, 200]


def test_a_bar_that_history_does_not_tell_does_not_hold_up_the_others(alone, repository, minutes):
    """It was built from ticks that the provider forgot, say; it stays provisional, and newer bars are reconciled."""
    instrument = alone.instrument()
    scheduled.reconcile()
    work()
    forgotten = streamed([replace(minutes[0], volume=1.0)])  # stored before history told: as if it had not
    mongo = database()
    mongo.bars.delete_one({"_id": mongo.bars.find_one(sort=[("_id", 1)])["_id"]})
    repository.save(instrument, M1, forgotten)
    SyncItem.objects.update(started_at=timezone.now())
    assert repository.series(instrument, M1).unconfirmed == minutes[0].open_time
    assert due() == []
    newest = repository.series(instrument, M1).last + timedelta(minutes=1)
    later = replace(minutes[-1], open_time=newest, starts_at=newest, close_time=newest + timedelta(minutes=1))
    repository.save(instrument, M1, streamed([later]))
    SyncItem.objects.update(started_at=newest + timedelta(seconds=70))
    [found] = reconcile.due(mongo, newest + timedelta(minutes=3))
    assert found.start == newest


def test_a_series_is_looked_for_only_where_bars_wait(alone, repository, minutes, mongo_database):
    instrument = alone.instrument()
    with opened_provider("demo") as provider:
        sync = SeriesSync(instrument=instrument, interval=M1, provider=provider, database=mongo_database)
        sync.run(sync.plan(None, None, missing_only=True))  # somebody else's sync confirmed them
    assert repository.series(instrument, M1).unconfirmed == minutes[0].open_time  # a bound, not the truth
    assert due() == []
    assert repository.series(instrument, M1).unconfirmed is None


def test_finished_runs_are_soon_forgotten(alone, repository, minutes):
    scheduled.reconcile()
    work()
    run = SyncRun.objects.get()
    assert run.state == SyncRun.State.COMPLETED
    SyncRun.objects.update(finished_at=timezone.now() - timedelta(hours=2))
    scheduled.reconcile()
    assert not SyncRun.objects.filter(pk=run.pk).exists()


def test_a_series_that_failed_is_tried_again_a_day_later(alone, repository, minutes):
    scheduled.reconcile()
    SyncItem.objects.update(state=SyncItem.State.ERROR, due_at=None)
    SyncRun.objects.update(state=SyncRun.State.FAILED, finished_at=timezone.now())
    assert scheduled.reconcile() == "nothing to reconcile"
    SyncRun.objects.update(finished_at=timezone.now() - timedelta(days=2))
    assert scheduled.reconcile().endswith("1 series")


def test_symbols_that_are_retired_are_left_alone(alone, repository, minutes):
    from symbols.models import Symbol

    Symbol.objects.update(status=Symbol.Status.RETIRED)
    assert due() == []

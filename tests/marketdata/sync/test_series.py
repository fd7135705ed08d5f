"""History from a running demo market into a real store, one series at a time: plan, ask, store, see what is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.bar import BarSource, BarState
from domain.errors import ProviderUnavailable
from domain.interval import Interval
from marketdata.services import SeriesSync, sync_latest
from marketdata.signals import bars_synced
from symbols.sources import opened_provider
from tests.marketdata.builders import streamed
from tests.marketdata.sync.conftest import BTC

M1, H1, D1 = Interval.M1, Interval.H1, Interval.D1


@pytest.fixture
def heard():
    """What ``bars_synced`` told."""
    told = []

    def hear(sender, **kwargs):
        told.append((kwargs["symbol"], kwargs["interval"], kwargs["first"], kwargs["last"]))

    bars_synced.connect(hear)
    yield told
    bars_synced.disconnect(hear)


def sync(symbol, interval, database, start=None, end=None, *, missing_only=True, guard=None, **options):
    with opened_provider("demo") as provider:
        series = SeriesSync(
            instrument=symbol.instrument(), interval=interval, provider=provider, database=database, **options
        )
        plan = series.plan(start, end, missing_only=missing_only)
        return plan, series.run(plan, guard)


def test_a_sync_stores_what_the_provider_serves_and_repeating_it_writes_nothing(bitcoin, repository, mongo_database):
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    start = end - timedelta(days=3)
    plan, result = sync(bitcoin, H1, mongo_database, start, end)
    stored = repository.between(bitcoin.instrument(), H1, None, None)
    assert (plan.bars, plan.pages, result.inserted, result.missing, len(stored)) == (72, 1, 72, 0, 72)
    assert [bar.open_time for bar in stored] == [start + n * timedelta(hours=1) for n in range(72)]
    assert {(bar.state, bar.source) for bar in stored} == {(BarState.FINAL, BarSource.HISTORY)}
    plan, again = sync(bitcoin, H1, mongo_database, start, end)
    assert (plan.requests, again.is_changed) == ((), False)
    plan, again = sync(bitcoin, H1, mongo_database, start, end, missing_only=False)
    assert (again.inserted, again.replaced, again.unchanged, again.version) == (0, 0, 72, result.version)


def test_a_sync_without_a_start_takes_the_whole_window_and_the_next_asks_for_nothing(
    bitcoin, repository, mongo_database, heard
):
    now = datetime.now(UTC)
    with opened_provider("demo") as provider:
        options = {"instrument": bitcoin.instrument(), "interval": H1, "provider": provider}
        first = sync_latest(now=now, database=mongo_database, **options)
        assert 4_998 <= first.inserted <= 5_000
        again = sync_latest(now=now, database=mongo_database, **options)
    assert (again.pages, again.is_changed, again.missing) == (0, False, 0)
    assert heard == [(BTC, H1, first.first, first.last)]


def test_history_settles_what_was_streamed(bitcoin, repository, mongo_database):
    minute = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
    repository.save(bitcoin.instrument(), M1, [streamed(open_time=minute, price=1.0)])
    sync(bitcoin, M1, mongo_database, minute, minute + timedelta(minutes=1))
    [stored] = repository.between(bitcoin.instrument(), M1, None, None)
    assert (stored.state, stored.open != 1.0) == (BarState.FINAL, True)


def test_what_can_never_be_confirmed_is_not_asked_for_again_and_again(bitcoin, repository, mongo_database):
    """A bar that we closed ourselves, and that has left the provider's window since."""
    now = datetime.now(UTC)
    old = now.replace(second=0, microsecond=0) - timedelta(minutes=6_000)
    repository.save(bitcoin.instrument(), M1, [streamed(open_time=old, price=1.0)])
    sync(bitcoin, M1, mongo_database)
    plan, result = sync(bitcoin, M1, mongo_database)
    assert plan.bars <= 2
    assert not result.missing
    [kept] = repository.between(bitcoin.instrument(), M1, old, old + timedelta(minutes=1))
    assert kept.state is BarState.PROVISIONAL


def test_a_bar_that_closed_just_now_is_asked_for_though_it_is_not_missing_yet(bitcoin, repository, mongo_database):
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    sync(bitcoin, M1, mongo_database, minute - timedelta(hours=1), minute - timedelta(minutes=2))
    plan, result = sync(bitcoin, M1, mongo_database, minute - timedelta(hours=1))
    assert result.inserted >= 1
    assert [request.start for request in plan.requests] == [minute - timedelta(minutes=2)]


def test_a_sync_stops_before_a_page_and_says_from_where_to_go_on(bitcoin, repository, mongo_database):
    class Stopped:
        fence = None

        def ask(self, pages):
            return True

        def is_stopped(self):
            return True

    now = datetime.now(UTC)
    plan, result = sync(bitcoin, H1, mongo_database, now - timedelta(days=3), guard=Stopped())
    assert (result.is_changed, result.resume_from) == (False, plan.requests[0].start)


def test_a_provider_error_reaches_the_caller(bitcoin, settings, mongo_database):
    settings.DEMO_MARKET_URL = "ws://127.0.0.1:9/socket.io/websocket"  # discard: nobody listens
    with pytest.raises(ProviderUnavailable):
        sync(bitcoin, H1, mongo_database, datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 11, 6, tzinfo=UTC))

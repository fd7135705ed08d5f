"""A sync whose cluster is killed on the way comes to the same end by itself, seconds later. `make chaos`: at length."""

from __future__ import annotations

import random

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from domain.interval import Interval
from marketdata import runs
from marketdata.runs_summary import progress_of
from symbols.services import add_symbols
from tests.marketdata.sync.killed import Cluster, assert_true_and_whole, kill_on_the_way, settled, wait_until
from tests.providers.demo.fixtures import RunningDemoMarket

KILLS = 2
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240), pytest.mark.untraced]


@pytest.fixture
def cluster(demo_market: RunningDemoMarket, tmp_path):
    environment = {
        "DEMO_MARKET_URL": demo_market.url,
        "DATABASE_URL": f"sqlite:///{django_settings.DATABASES['default']['NAME']}",
        "MONGODB_DATABASE": django_settings.MONGODB_DATABASE,
    }
    with Cluster(environment, tmp_path / "cluster.log") as running:
        yield running


def test_a_sync_that_is_killed_on_the_way_comes_to_the_same_end(alone, repository, demo_market, cluster):
    instruments = [demo_market.market.instrument(code) for code in ("DEMO:ETHUSD",)]
    symbols = [alone, *(symbol for symbol, _ in add_symbols(instruments, streaming=False))]
    asked_at = timezone.now()
    series = [(symbol, interval) for symbol in symbols for interval in Interval]
    run, _ = runs.start(runs.Order(series=series))
    at = sorted(random.Random(3).sample(range(1, 15), KILLS))
    lost = kill_on_the_way(cluster, run, at, within=60)
    wait_until(lambda: runs.SyncRun.objects.get(pk=run.pk).is_finished, 90, "the run ends")
    run.refresh_from_db()
    assert run.state == "completed", list(run.items.values_list("interval", "state", "reason"))
    assert_true_and_whole(repository, demo_market.market, symbols, asked_at)
    assert max(lost) < 30
    before = settled(repository, symbols, asked_at)
    again, _ = runs.start(runs.Order(series=series, missing_only=False, end=asked_at))
    wait_until(lambda: runs.SyncRun.objects.get(pk=again.pk).is_finished, 90, "the second run ends")
    progress = progress_of([again.pk])[again.pk]
    assert progress.replaced == 0
    assert progress.inserted <= len(series)  # the bars that were in progress when the first run was ordered
    assert progress.unchanged > 2 * 11 * 4_900
    assert settled(repository, symbols, asked_at) == before

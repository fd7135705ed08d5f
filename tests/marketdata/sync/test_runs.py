"""Runs: orders in SQL, worked on in chunks, from a running demo market into a real store."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

from domain.errors import Conflict, UnknownSymbol
from domain.interval import Interval
from marketdata import runs, runs_claims, runs_lanes, runs_outcomes, sync_chunk, sync_sweep
from marketdata.budget import Budget
from marketdata.leases import Leases, holder
from marketdata.models import ProviderPace, SyncItem, SyncLane, SyncRun
from marketdata.processes import own_name
from marketdata.runs_outcomes import Outcome
from marketdata.runs_summary import progress_of
from marketdata.sync_chunk import Chunk
from marketdata.sync_pace import Pace, paused_providers
from marketdata.sync_results import SyncResult
from marketdata.tasks import queue_healing, queue_sync, work
from providers.demo import demo_instruments
from symbols.models import Symbol
from symbols.services import add_symbol
from tests.marketdata.builders import bar
from tests.marketdata.sync.conftest import BTC
from tests.quotes.running import wait_for

ROOT = Path(__file__).resolve().parents[3]
M1, H1, D1 = Interval.M1, Interval.H1, Interval.D1
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bitcoin(alone):
    return alone


def order(symbol, *intervals, **options):
    return runs.start(runs.Order(series=[(symbol, interval) for interval in intervals or Interval], **options))[0]


def do_queued():
    """What the queue would do until it is empty; how many tasks."""
    count = 0
    while task := OrmQ.objects.order_by("id").first():
        arguments = task.task["args"]
        task.delete()
        work(*arguments)
        count += 1
    return count


def dead_worker():
    """The name of a process that has ended."""
    code = "from marketdata.processes import own_name; print(own_name())"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def states(run):
    return dict(run.items.values_list("interval", "state"))


@pytest.mark.untraced
def test_a_run_brings_all_13_series_up_to_date_and_again_writes_nothing(bitcoin, repository):
    run = order(bitcoin)
    assert (run.state, run.started_at, OrmQ.objects.count()) == ("running", None, 2)
    do_queued()
    run.refresh_from_db()
    assert (run.state, set(states(run).values())) == ("completed", {"completed"})
    progress = progress_of([run.pk])[run.pk]
    assert progress.inserted > 13 * 190
    assert (progress.done, progress.total, progress.missing) == (13, 13, 0)
    again = order(bitcoin)
    do_queued()
    again.refresh_from_db()
    assert (again.state, progress_of([again.pk])[again.pk].inserted) == ("completed", 0)


def test_what_is_lost_first_is_asked_for_first(bitcoin, repository):
    run = order(bitcoin)
    # Nothing is stored, so the oldest bar in the window is lost with the next bar: of minutes within a minute.
    assert list(run.items.values_list("interval", flat=True)) == list(Interval)
    now = timezone.now()
    minutes = now.replace(second=0, microsecond=0) - timedelta(minutes=10)
    repository.save(bitcoin.instrument(), M1, [bar(open_time=minutes)])
    later = order(bitcoin)
    # The minutes that are missing now are lost in three days only.
    assert list(later.items.values_list("interval", flat=True)).index("1m") == list(Interval).index("1d")


def test_adding_a_symbol_syncs_its_13_series_with_those_of_the_chart_first(bitcoin):
    ether = next(found for found in demo_instruments() if found.symbol == "DEMO:ETHUSD")
    add_symbol(code=ether.symbol, details=ether)
    run = SyncRun.objects.get()
    assert (run.kind, run.priority) == ("first", SyncRun.Priority.SOON)
    assert list(run.items.values_list("interval", flat=True)[:3]) == ["1m", "1h", "1d"]
    assert run.items.count() == 13


def test_asking_again_while_a_sync_waits_queues_nothing(bitcoin):
    assert (queue_sync(BTC), queue_sync(BTC)) == (13, 0)
    assert (SyncRun.objects.count(), OrmQ.objects.count()) == (1, 2)


def test_an_unknown_symbol_cannot_be_synced(db):
    with pytest.raises(UnknownSymbol):
        queue_sync("DEMO:NOPE")


def test_a_hole_of_many_symbols_is_healed_by_one_run(bitcoin):
    ether = next(found for found in demo_instruments() if found.symbol == "DEMO:ETHUSD")
    add_symbol(code=ether.symbol, details=ether)
    SyncRun.objects.all().delete()
    assert (queue_healing([BTC, "DEMO:GONE", ether.symbol]), queue_healing([ether.symbol, BTC])) == (26, 0)
    run = SyncRun.objects.get()
    assert (run.kind, run.items.count()) == ("healing", 26)


def test_what_failed_before_a_hole_is_tried_again_at_once_by_the_run_it_failed_in(bitcoin):
    queue_sync(BTC)
    later = timezone.now() + timedelta(minutes=30)
    SyncItem.objects.filter(interval="1h").update(state=SyncItem.State.ERROR, due_at=later, failures=5)
    SyncItem.objects.filter(interval="1d").update(state=SyncItem.State.ERROR, due_at=None)  # set aside
    assert queue_healing([BTC]) == 1
    assert SyncItem.objects.get(interval="1h").due_at <= timezone.now()
    assert list(SyncRun.objects.values_list("items__interval", flat=True)[:1]) == ["1d"]


@pytest.mark.parametrize("is_limited", [False, True])
def test_a_feed_that_is_back_ends_the_pause_unless_its_provider_asked_for_it(bitcoin, is_limited):
    later = timezone.now() + timedelta(minutes=5)
    for provider in ("demo", "tradingview"):
        pause = {"paused_until": later, "failures": 7, "is_limited": is_limited}
        ProviderPace.objects.update_or_create(provider=provider, defaults=pause)
    queue_healing([BTC])
    assert paused_providers(timezone.now()) == ({"demo", "tradingview"} if is_limited else {"tradingview"})
    assert Pace("demo", timezone.now()).at_once == (0 if is_limited else 1)


def test_of_a_symbol_that_is_not_resolved_there_is_no_news(bitcoin):
    Symbol.objects.update(status=Symbol.Status.UNRESOLVED)
    pause = {"paused_until": timezone.now() + timedelta(minutes=5), "failures": 7, "is_limited": False}
    ProviderPace.objects.update_or_create(provider="demo", defaults=pause)
    queue_healing([BTC])
    assert paused_providers(timezone.now()) == {"demo"}


def test_a_symbol_that_its_provider_does_not_know_makes_no_run_a_minute(bitcoin):
    Symbol.objects.update(status=Symbol.Status.UNRESOLVED)
    assert queue_healing([BTC]) == 13
    later = timezone.now() + timedelta(minutes=30)
    SyncItem.objects.update(state=SyncItem.State.ERROR, due_at=later, failures=5)
    assert queue_healing([BTC]) == 0
    assert set(SyncItem.objects.values_list("due_at", flat=True)) == {later}  # there is no news of it
    SyncItem.objects.update(due_at=None, finished_at=timezone.now())
    assert queue_healing([BTC]) == 0
    SyncItem.objects.update(finished_at=timezone.now() - timedelta(hours=7))
    assert queue_healing([BTC]) == 13


def test_healing_goes_before_bulk_work_that_waited_longer(bitcoin, repository):
    bulk = order(bitcoin)
    queue_sync(BTC)
    first = runs_claims.claim("demo", 13, own_name(), timezone.now())
    assert {item.run.kind for item in first} == {"healing"}
    assert {item.run_id for item in runs_claims.claim("demo", 1, own_name(), timezone.now())} == {bulk.pk}


def test_no_queue_grows_however_much_is_ordered(bitcoin):
    for _ in range(20):
        order(bitcoin)
    assert OrmQ.objects.count() == 2  # one a worker


def test_two_workers_never_hold_the_same_item(bitcoin):
    order(bitcoin)
    mine = {item.pk for item in runs_claims.claim("demo", 7, "a", timezone.now())}
    theirs = {item.pk for item in runs_claims.claim("demo", 7, "b", timezone.now())}
    assert (len(mine), len(theirs), mine & theirs) == (7, 6, set())
    assert runs_claims.claim("demo", 7, "c", timezone.now()) == []


def test_one_failing_series_does_not_stop_the_others(bitcoin, demo_market, repository):
    ether = next(found for found in demo_instruments() if found.symbol == "DEMO:ETHUSD")
    failing = add_symbol(code=ether.symbol, details=ether)[0]
    SyncRun.objects.all().delete()
    demo_market.faults.set(symbol_errors=frozenset({"DEMO:ETHUSD"}))
    run = runs.start(runs.Order(series=[(failing, H1), (bitcoin, H1), (failing, D1), (bitcoin, D1)]))[0]
    do_queued()
    run.refresh_from_db()
    found = {(item.symbol.code, item.interval): item for item in run.items.select_related("symbol")}
    assert run.state == "partial"
    assert {found[BTC, "1h"].state, found[BTC, "1d"].state} == {"completed"}
    refused = found["DEMO:ETHUSD", "1h"]
    assert (refused.state, refused.is_set_aside, refused.failures) == ("error", True, 1)  # asking again would not help
    assert "knows no such symbol" in refused.reason


def test_a_provider_that_is_away_pauses_its_series_and_each_is_tried_again_by_itself(bitcoin, settings, demo_market):
    url, settings.DEMO_MARKET_URL = settings.DEMO_MARKET_URL, "ws://127.0.0.1:9/socket.io/websocket"
    run = order(bitcoin)
    do_queued()
    pace = ProviderPace.objects.get()
    failed = run.items.filter(state="error")
    assert 1 <= failed.count() <= 4  # those that were asked for at once; the others were not even tried
    assert timezone.now() < pace.paused_until <= timezone.now() + timedelta(seconds=5)
    assert 10 < (failed[0].due_at - timezone.now()).total_seconds() <= 15
    assert sync_sweep.sweep(timezone.now()) == 0  # nobody is asked during the pause
    settings.DEMO_MARKET_URL = url
    later = timezone.now() + timedelta(seconds=6)
    assert sync_sweep.sweep(later) > 0
    ProviderPace.objects.update(paused_until=None)
    do_queued()
    SyncItem.objects.filter(state="error").update(due_at=timezone.now())
    sync_sweep.sweep(timezone.now())
    do_queued()
    run.refresh_from_db()
    assert (run.state, ProviderPace.objects.get().failures) == ("completed", 0)


def test_a_series_that_fails_again_and_again_is_set_aside_with_its_reason(bitcoin, settings):
    settings.DEMO_MARKET_URL = "ws://127.0.0.1:9/socket.io/websocket"
    run = order(bitcoin, H1)
    pauses = []
    for _ in range(8):
        ProviderPace.objects.update(paused_until=None)
        Chunk("demo", own_name()).run()
        item = run.items.get()
        pauses.append(item.due_at and round((item.due_at - item.finished_at).total_seconds()))
        SyncItem.objects.filter(state="error", due_at__isnull=False).update(due_at=timezone.now())
    assert pauses == [15, 30, 60, 120, 240, 480, 960, None]
    run.refresh_from_db()
    assert (run.state, item.is_set_aside, item.failures) == ("failed", True, 8)
    assert item.reason.startswith("set aside after 8 failures in a row: ")


def test_a_provider_that_limits_us_is_asked_for_less_and_left_alone_for_a_while(bitcoin, demo_market):
    ProviderPace.objects.create(provider="demo", concurrency=8)
    demo_market.faults.set(session_limit=True)
    order(bitcoin)
    do_queued()
    pace = ProviderPace.objects.get()
    assert (pace.concurrency, pace.failures) == (4, 1)
    assert 20 < (pace.paused_until - timezone.now()).total_seconds() <= 30
    assert SyncItem.objects.filter(state="pending").count() + SyncItem.objects.filter(state="error").count() == 13


def test_all_goes_well_so_a_little_more_is_asked_at_once(bitcoin):
    order(bitcoin, D1)
    do_queued()
    assert ProviderPace.objects.get().concurrency == 5


def test_a_paused_run_does_nothing_and_goes_on_where_it_was(bitcoin):
    run = runs.pause(order(bitcoin, H1, D1))
    do_queued()
    assert set(states(run).values()) == {"pending"}
    run = runs.resume(run)
    do_queued()
    run.refresh_from_db()
    assert run.state == "completed"
    with pytest.raises(Conflict):
        runs.pause(run)


def test_what_failed_of_a_paused_run_waits_like_the_rest_until_it_is_resumed(bitcoin):
    run = order(bitcoin, H1, D1)
    run.items.filter(interval="1h").update(state="error", due_at=None, failures=8)
    run = runs.retry_failed(runs.pause(run))
    assert (run.state, run.reason) == ("paused", "paused: 1 series are tried again once it is resumed")
    assert (states(run), run.items.get(interval="1h").failures) == ({"1h": "pending", "1d": "pending"}, 0)
    do_queued()
    assert set(states(run).values()) == {"pending"}
    run = runs.resume(run)
    assert (run.state, run.reason) == ("running", "")
    do_queued()
    run.refresh_from_db()
    assert run.state == "completed"


def test_a_cancelled_run_ends_and_may_be_tried_again(bitcoin):
    run = runs.cancel(order(bitcoin, H1, D1))
    assert (run.state, set(states(run).values())) == ("cancelled", {"cancelled"})
    assert run.finished_at is not None
    assert runs.cancel(run).state == "cancelled"
    with pytest.raises(Conflict):
        runs.resume(run)
    runs.retry_failed(run)
    do_queued()
    run.refresh_from_db()
    assert (run.state, set(states(run).values())) == ("completed", {"completed"})
    with pytest.raises(Conflict):
        runs.retry_failed(run)


def test_a_run_that_is_cancelled_while_it_works_stores_no_further_page(bitcoin, demo_market, monkeypatch):
    monkeypatch.setattr(sync_chunk, "_BEAT_SECONDS", 0.2)  # so often it looks whether it is still wanted
    demo_market.faults.set(load_delay_seconds=1.5)
    run = order(bitcoin, H1)
    work = threading.Thread(target=lambda: (Chunk("demo", own_name()).run(), connection.close()))
    work.start()
    wait_for(lambda: run.items.get().state == "syncing", 10, "a worker takes it up")
    runs.cancel(run)
    work.join(30)
    run.refresh_from_db()
    assert (run.state, states(run)) == ("cancelled", {"1h": "cancelled"})
    assert run.items.get().inserted == 0


def test_the_same_key_gives_the_same_run_and_never_another(bitcoin):
    def ordered(fingerprint):
        series = [(bitcoin, H1)]
        return runs.start(runs.Order(series=series, idempotency_key="k", requested_by=user, fingerprint=fingerprint))

    user = get_user_model().objects.create_user("somebody")
    first, is_new = ordered("a")
    again, is_new_again = ordered("a")
    assert (first.pk, is_new, is_new_again) == (again.pk, True, False)
    with pytest.raises(Conflict):
        ordered("b")


def test_a_retired_symbol_is_not_synced(bitcoin, repository):
    queue_sync(BTC)
    Symbol.objects.update(status=Symbol.Status.RETIRED)
    do_queued()
    assert set(SyncItem.objects.values_list("state", "reason")) == {("cancelled", "the symbol is retired")}
    assert (queue_sync(BTC), SyncRun.objects.get().state) == (0, "cancelled")


def test_a_symbol_registered_while_its_provider_was_away_is_resolved_by_its_first_sync(bitcoin, settings, demo_market):
    url, settings.DEMO_MARKET_URL = settings.DEMO_MARKET_URL, "ws://127.0.0.1:9/socket.io/websocket"
    symbol, _ = add_symbol(code="DEMO:AAPL", streaming=False)
    assert symbol.status == "unresolved"
    settings.DEMO_MARKET_URL = url
    do_queued()
    symbol.refresh_from_db()
    assert (symbol.status, symbol.status_reason, symbol.quote_currency) == ("active", "", "USD")
    assert SyncRun.objects.get().state == "completed"


def test_a_series_that_another_sync_holds_waits_its_turn(bitcoin, mongo_database):
    order(bitcoin, D1)
    lease = Leases(mongo_database).acquire(f"{bitcoin.pk}:1d", "somebody")
    Chunk("demo", own_name()).run()
    item = SyncItem.objects.get()
    assert (item.state, item.failures, item.reason) == ("pending", 0, "another sync of this series is under way")
    Leases(mongo_database).release(lease)
    SyncItem.objects.update(due_at=timezone.now())
    Chunk("demo", own_name()).run()
    assert SyncItem.objects.get().state == "completed"


def test_a_spent_budget_makes_a_run_wait_without_failing(bitcoin, monkeypatch):
    spent = Budget({"demo": 1}, redis_url="redis://127.0.0.1:9", processes=1)
    monkeypatch.setattr("marketdata.sync_chunk.budget", lambda: spent)
    order(bitcoin, H1, D1)
    Chunk("demo", own_name(), seconds=1.0).run()
    waiting = SyncItem.objects.get(state="pending")
    assert (SyncItem.objects.filter(state="completed").count(), waiting.failures) == (1, 0)
    assert waiting.reason == "waits for the provider's budget"
    assert 30 < (waiting.due_at - timezone.now()).total_seconds() <= 60


def test_what_a_killed_worker_had_in_hand_is_taken_up_at_once(bitcoin, mongo_database):
    run = order(bitcoin, Interval.H4, D1, Interval.W1)
    worker = dead_worker()
    [lane, _] = SyncLane.objects.all()
    assert runs_lanes.begin("demo", lane.number, lane.ticket, worker, timezone.now())
    taken = runs_claims.claim("demo", 2, worker, timezone.now())
    Leases(mongo_database).acquire(f"{bitcoin.pk}:{taken[0].interval}", holder(worker, taken[0].pk))
    OrmQ.objects.all().delete()  # its tasks are locked for 75 s
    sync_sweep.sweep(timezone.now())
    assert OrmQ.objects.count() == 1  # the lane of the dead; the other waits for its task
    do_queued()
    run.refresh_from_db()
    assert (run.state, set(states(run).values())) == ("completed", {"completed"})


def test_a_task_that_was_lost_with_its_cluster_is_queued_again_after_seconds(bitcoin):
    run = order(bitcoin, D1, Interval.W1)
    OrmQ.objects.all().delete()
    now = timezone.now()
    assert sync_sweep.sweep(now) == 0
    assert sync_sweep.sweep(now + timedelta(seconds=11)) == 2
    do_queued()
    run.refresh_from_db()
    assert run.state == "completed"


def test_a_task_whose_lane_was_given_to_another_ends_at_once(bitcoin):
    order(bitcoin)
    old = OrmQ.objects.first().task["args"]
    sync_sweep.sweep(timezone.now() + timedelta(seconds=11))
    assert work(*old) == 0
    assert set(SyncItem.objects.values_list("state", flat=True)) == {"pending"}


def test_a_worker_on_another_machine_is_waited_for_until_its_claim_runs_out(bitcoin):
    order(bitcoin, H1)
    runs_claims.claim("demo", 1, "elsewhere/boot/1:77:1", timezone.now())
    sync_sweep.sweep(timezone.now())
    assert SyncItem.objects.get().state == "syncing"
    sync_sweep.sweep(timezone.now() + timedelta(seconds=21))
    assert SyncItem.objects.get().state == "pending"


def test_a_worker_that_lost_its_item_cannot_write_its_outcome_over_the_others(bitcoin):
    order(bitcoin, H1)
    [mine] = runs_claims.claim("demo", 1, "elsewhere/boot/1:77:1", timezone.now())
    sync_sweep.sweep(timezone.now() + timedelta(seconds=21))
    SyncItem.objects.update(due_at=timezone.now())
    [theirs] = runs_claims.claim("demo", 1, own_name(), timezone.now())
    now = timezone.now()
    assert runs_outcomes.settle(Outcome(item=mine, error=ValueError("late")), now) == ""
    assert runs_outcomes.settle(Outcome(item=theirs, result=SyncResult(inserted=1)), now) == "completed"


def test_old_runs_are_forgotten_and_unfinished_ones_never(bitcoin):
    old = timezone.now() - timedelta(days=8)
    done, healed, open_run = (order(bitcoin, H1, kind=kind) for kind in ("manual", "healing", "healing"))
    SyncRun.objects.filter(pk__in=(done.pk, healed.pk)).update(state="completed", finished_at=old)
    sync_sweep.forget_old(timezone.now())
    assert set(SyncRun.objects.values_list("pk", flat=True)) == {done.pk, open_run.pk}
    sync_sweep.forget_old(timezone.now() + timedelta(days=90))
    assert set(SyncRun.objects.values_list("pk", flat=True)) == {open_run.pk}


def test_a_series_that_is_ordered_twice_is_synced_once(bitcoin):
    assert order(bitcoin, H1, H1).items.count() == 1


def test_an_order_of_nothing_is_done(db):
    assert runs.start(runs.Order(series=[]))[0].state == "completed"

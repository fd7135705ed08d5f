"""Schedules: made once, kept as people leave them, run once after a pause, never twice at once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler

from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import runs, scheduled, schedules
from marketdata.models import MadeSchedule, ProviderPace, SyncItem, SyncRun
from symbols.models import Symbol

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)  # a Wednesday, the day before Thanksgiving


def at(text):
    return datetime.fromisoformat(text + "Z")


@pytest.fixture
def stock(alone):
    """A second symbol, which trades in New York; nothing is scheduled or queued yet."""
    from symbols.services import add_symbol

    details = Instrument(symbol="DEMO:NORTH", provider="demo", calendar="XNYS")
    found = add_symbol(code="DEMO:NORTH", details=details, streaming=False)[0]
    for model in (SyncRun, Schedule, MadeSchedule, OrmQ):
        model.objects.all().delete()
    return found


def test_the_standing_schedules_are_made_once_and_begin_at_their_next_time(stock):
    made = schedules.make_schedules(timezone.now())
    assert made == [
        "sync all symbols",
        "sync symbols that trade today",
        "reconcile closed bars",
        "sync after the close of XNYS",
    ]
    assert schedules.make_schedules(timezone.now()) == []
    rows = {row.name: row for row in Schedule.objects.all()}
    assert (rows["sync all symbols"].cron, rows["sync all symbols"].repeats) == ("30 */6 * * *", -1)
    assert rows["sync symbols that trade today"].cron == "0 9-17 * * *"
    assert rows["sync all symbols"].next_run > timezone.now()
    assert rows["sync after the close of XNYS"].next_run > timezone.now()
    assert all(hasattr(scheduled, row.func.rpartition(".")[2]) for row in rows.values())


def test_what_somebody_edited_or_deleted_stays_so(stock):
    schedules.make_schedules(timezone.now())
    Schedule.objects.filter(name="sync all symbols").update(cron="0 3 * * *")
    Schedule.objects.filter(name="reconcile closed bars").delete()
    assert schedules.make_schedules(timezone.now()) == []
    assert Schedule.objects.get(name="sync all symbols").cron == "0 3 * * *"
    assert not Schedule.objects.filter(name="reconcile closed bars").exists()


def test_the_first_symbol_of_an_exchange_brings_its_schedule_within_a_minute(stock):
    from symbols.services import add_symbol

    schedules.make_schedules(timezone.now())
    details = Instrument(symbol="DEMO:TOKYO", provider="demo", calendar="XTKS")
    add_symbol(code="DEMO:TOKYO", details=details, streaming=False)
    scheduled.reconcile()
    assert Schedule.objects.get(name="sync after the close of XTKS").args == "'XTKS'"


@pytest.mark.parametrize("at_once", [2, 4])
def test_clusters_that_start_at_once_make_each_schedule_once(stock, at_once):
    start, failures = threading.Barrier(at_once), []

    def make():
        try:
            start.wait(10)
            schedules.make_schedules(timezone.now())
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=make) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    names = list(Schedule.objects.values_list("name", flat=True))
    assert len(names) == len(set(names)) == 4


@pytest.mark.parametrize(
    ("calendar", "now", "expected"),
    [
        ("XNYS", "2026-11-25T12:00:00", "2026-11-25T21:03:00"),
        ("XNYS", "2026-11-25T21:02:00", "2026-11-25T21:03:00"),  # not yet looked at
        ("XNYS", "2026-11-25T21:04:00", "2026-11-27T18:03:00"),  # Thanksgiving, then a half-day
        ("XNYS", "2026-11-27T18:04:00", "2026-11-30T21:03:00"),
        ("XNYS/extended", "2026-11-27T18:04:00", "2026-11-27T22:03:00"),
        ("XHKG", "2026-11-25T03:00:00", "2026-11-25T08:13:00"),  # not at lunch, and after the closing auction
        ("XLON", "2026-12-24T10:00:00", "2026-12-24T12:43:00"),
        ("forex", "2026-11-25T12:00:00", "2026-11-25T22:03:00"),
        ("24/7", "2026-11-25T12:00:00", None),
        ("NONE", "2026-11-25T12:00:00", None),
    ],
)
def test_a_market_is_looked_at_shortly_after_its_day_ends(db, calendar, now, expected):
    assert schedules.next_run_after_close(calendar, at(now)) == (expected and at(expected))


def test_delayed_feeds_are_waited_for(stock):
    Symbol.objects.filter(pk=stock.pk).update(delay_seconds=900)
    assert schedules.next_run_after_close("XNYS", NOW) == at("2026-11-25T21:18:00")


@pytest.mark.parametrize(
    ("calendar", "now", "expected"),
    [
        ("XNYS", "2026-11-25T12:00:00", True),
        ("XNYS", "2026-11-26T12:00:00", False),
        ("XNYS", "2026-11-28T12:00:00", False),
        ("XNYS", "2026-11-27T09:00:00", True),
        ("XASX", "2026-11-26T17:00:00", True),  # Friday morning in Sydney
        ("XASX", "2026-11-27T17:00:00", False),  # Saturday there
        ("24/7", "2026-11-28T12:00:00", True),
        ("forex", "2026-11-28T12:00:00", False),
        ("NONE", "2026-11-28T12:00:00", True),
    ],
)
def test_a_trading_day_is_that_of_the_place(calendar, now, expected):
    assert schedules.is_trading_day(calendar, at(now)) is expected


def test_each_schedule_syncs_its_symbols(stock, alone, monkeypatch):
    monkeypatch.setattr(scheduled.timezone, "now", lambda: at("2026-11-26T12:00:00"))
    scheduled.sync_all()
    scheduled.sync_trading()
    scheduled.sync_after_close("XNYS")
    chosen = [set(run.items.values_list("symbol__code", flat=True)) for run in SyncRun.objects.order_by("id")]
    assert chosen == [{alone.code, stock.code}, {alone.code}, {stock.code}]
    assert {run.kind for run in SyncRun.objects.all()} == {SyncRun.Kind.SCHEDULE}
    assert SyncItem.objects.count() == 4 * len(Interval)


def test_a_turn_of_a_schedule_makes_one_run_however_often_its_task_comes(stock):
    words = [scheduled.sync_all(planned=NOW.isoformat()) for _ in range(3)]
    run = SyncRun.objects.get()
    assert words == [f"run {run.pk}: 26 series"] + 2 * [f"run {run.pk} was made before"]
    runs.cancel(run)
    assert scheduled.sync_all(planned=NOW.isoformat()) == f"run {run.pk} was made before"
    assert SyncRun.objects.count() == 1


def test_a_turn_is_skipped_and_says_so_while_the_one_before_is_under_way(stock):
    scheduled.sync_all(planned=NOW.isoformat())
    first = SyncRun.objects.get()
    words = scheduled.sync_all(planned=(NOW + timedelta(hours=6)).isoformat())
    assert words.startswith(f"skipped: run {first.pk} of ")
    assert words.endswith("is still running")
    skipped = SyncRun.objects.exclude(pk=first.pk).get()
    assert (skipped.state, skipped.reason, skipped.items.count()) == (SyncRun.State.CANCELLED, words, 0)
    scheduled.sync_after_close("XNYS")  # another schedule is not held up
    runs.cancel(first)
    assert scheduled.sync_all(planned=(NOW + timedelta(hours=12)).isoformat()).endswith("26 series")


def test_a_skipped_turn_is_told_once_however_often_its_task_comes(stock):
    scheduled.sync_all(planned=NOW.isoformat())
    later = (NOW + timedelta(hours=6)).isoformat()
    words = [scheduled.sync_all(planned=later) for _ in range(3)]
    skipped = SyncRun.objects.get(state=SyncRun.State.CANCELLED)
    assert words == [skipped.reason] + 2 * [f"run {skipped.pk} was made before"]


def at_once(calls):
    """What each of the calls returns, in a thread of its own, all begun together."""
    start, found = threading.Barrier(len(calls)), []

    def run(call):
        try:
            start.wait(10)
            found.append(call())
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return sorted(found)


@pytest.mark.parametrize("is_busy", [False, True])
def test_two_workers_with_the_same_turn_make_one_run_or_skip_it_once(stock, is_busy):
    if is_busy:
        scheduled.sync_all(planned=(NOW - timedelta(hours=6)).isoformat())
    # Each has seen that the turn is free before either takes it.
    seen = threading.Barrier(2)

    def turn():
        if is_busy:
            return scheduled.sync_all(planned=NOW.isoformat())
        return scheduled._sync("all symbols", lambda: (seen.wait(10), Symbol.objects.active())[1], NOW.isoformat())

    words = at_once([turn, turn])
    run = SyncRun.objects.get(idempotency_key=f"all symbols {NOW.isoformat()}")
    expected = run.reason if is_busy else f"run {run.pk}: 26 series"
    assert words == sorted([expected, f"run {run.pk} was made before"])
    assert SyncItem.objects.count() == 26
    assert SyncRun.objects.count() == 1 + is_busy


def test_the_database_itself_lets_a_turn_make_one_run_and_leaves_others_alone(stock):
    SyncRun.objects.create(kind="schedule", idempotency_key="turn")
    for kind in ("schedule", "reconcile"):
        with pytest.raises(IntegrityError), transaction.atomic():
            SyncRun.objects.create(kind=kind, idempotency_key="turn")
    for _ in range(2):  # of people who were removed; without a key
        SyncRun.objects.create(kind="manual", idempotency_key="turn")
        SyncRun.objects.create(kind="schedule")
    assert SyncRun.objects.count() == 5


def test_of_turns_that_were_doubled_before_the_first_keeps_its_key(transactional_db):
    MigrationExecutor(connection).migrate([("marketdata", "0004_schedules")])
    try:
        for kind, key in 2 * [("schedule", "a"), ("schedule", None), ("reconcile", "b"), ("manual", "a")]:
            SyncRun.objects.create(kind=kind, idempotency_key=key)
    finally:
        newest = MigrationExecutor(connection)
        newest.migrate(newest.loader.graph.leaf_nodes("marketdata"))
    keys = list(SyncRun.objects.order_by("id").values_list("idempotency_key", flat=True))
    assert keys == ["a", None, "b", "a", None, None, None, "a"]


def test_one_failing_series_does_not_hold_up_the_next_turn(stock):
    scheduled.sync_all(planned=NOW.isoformat())
    items = SyncItem.objects.all()
    items.update(state=SyncItem.State.UP_TO_DATE, due_at=None)
    failed = items.first()
    items.filter(pk=failed.pk).update(state=SyncItem.State.ERROR, due_at=timezone.now() + timedelta(hours=1))
    assert scheduled.sync_all(planned=(NOW + timedelta(hours=6)).isoformat()).endswith("25 series")
    newest = SyncRun.objects.latest("id")
    assert not newest.items.filter(symbol=failed.symbol, interval=failed.interval).exists()


def test_a_provider_that_does_not_answer_does_not_hold_up_the_others(stock):
    scheduled.sync_all(planned=NOW.isoformat())
    items = SyncItem.objects.filter(run__kind="schedule")
    items.update(state=SyncItem.State.UP_TO_DATE, due_at=None)
    items.filter(interval="1h").update(state=SyncItem.State.PENDING, due_at=timezone.now(), provider="tradingview")
    # Its pause is over, so one is to be tried.
    pace, _ = ProviderPace.objects.update_or_create(provider="tradingview", defaults={"failures": 3})
    later = (NOW + timedelta(hours=6)).isoformat()
    assert scheduled.sync_all(planned=later).endswith("24 series")
    newest = SyncRun.objects.latest("id")
    assert not newest.items.filter(interval="1h").exists()
    assert scheduled.sync_all(planned=later) == f"run {newest.pk} was made before"
    newest.items.update(state=SyncItem.State.UP_TO_DATE, due_at=None)
    pace.failures = 0  # it answers
    pace.save()
    assert scheduled.sync_all(planned=(NOW + timedelta(hours=12)).isoformat()).startswith("skipped: ")


def test_a_turn_of_which_everything_waits_for_a_provider_is_skipped_and_says_so(stock):
    scheduled.sync_all(planned=NOW.isoformat())
    ProviderPace.objects.update_or_create(provider="demo", defaults={"failures": 3})
    later = (NOW + timedelta(hours=6)).isoformat()
    assert scheduled.sync_all(planned=later).endswith("is still running")
    assert scheduled.sync_all(planned=later).endswith("was made before")


def test_schedulers_of_several_clusters_queue_a_turn_once(stock):
    schedules.make_schedules(timezone.now())
    Schedule.objects.exclude(name="sync all symbols").delete()
    Schedule.objects.update(next_run=timezone.now() - timedelta(hours=1))
    start = threading.Barrier(3)

    def look():
        start.wait(10)
        scheduler()
        connection.close()

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [queued.task["func"] for queued in OrmQ.objects.all()] == [schedules.SYNC_ALL]


def test_a_schedule_missed_while_everything_was_down_runs_once(stock):
    schedules.make_schedules(timezone.now())
    Schedule.objects.exclude(name="sync all symbols").delete()
    Schedule.objects.update(next_run=timezone.now() - timedelta(days=3))
    for _ in range(3):
        scheduler()
    [queued] = OrmQ.objects.all()
    assert queued.task["func"] == schedules.SYNC_ALL
    assert scheduled.sync_all(**queued.task["kwargs"]).endswith("26 series")
    assert Schedule.objects.get().next_run > timezone.now()


def test_after_a_close_the_next_one_is_planned_unless_somebody_chose_other_times(stock, monkeypatch):
    schedules.make_schedules(timezone.now())
    monkeypatch.setattr(scheduled.timezone, "now", lambda: at("2026-11-25T21:03:30"))
    scheduled.sync_after_close("XNYS", planned="2026-11-25T21:03:00+00:00")
    row = Schedule.objects.get(func=schedules.SYNC_AFTER_CLOSE)
    assert row.next_run == at("2026-11-27T18:03:00")
    Schedule.objects.filter(pk=row.pk).update(schedule_type=Schedule.CRON, cron="0 5 * * *", next_run=NOW)
    scheduled.sync_after_close("XNYS", planned="2026-11-27T05:00:00+00:00")
    row.refresh_from_db()
    assert row.next_run == NOW


def test_a_run_of_a_schedule_is_not_done_before_its_series_are(stock):
    scheduled.sync_all(planned=NOW.isoformat())
    assert SyncRun.objects.get().state == SyncRun.State.RUNNING
    assert not SyncRun.objects.get().is_finished


def test_without_symbols_there_is_nothing_to_sync(stock):
    Symbol.objects.update(status=Symbol.Status.RETIRED)
    assert scheduled.sync_all() == "nothing to sync"
    assert not SyncRun.objects.exists()

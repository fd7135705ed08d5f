"""History from a running demo market into a real store, by service, task and command."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from django.core.management import CommandError, call_command
from django_q.models import OrmQ, Schedule

from domain.bar import BarSource, BarState
from domain.errors import ProviderUnavailable, UnknownSymbol
from domain.interval import Interval
from marketdata.models import SeriesSync
from marketdata.repository import BarRepository
from marketdata.services import lookback, sync_bars, sync_latest, unsettled_from
from marketdata.signals import bars_synced
from marketdata.tasks import queue_sync, sync_series
from providers.demo import demo_instruments
from symbols.models import Symbol
from symbols.services import add_symbol
from symbols.sources import opened_provider
from tests.marketdata.builders import START, bar, streamed

BTC, M1, H1, D1 = "DEMO:BTCUSD", Interval.M1, Interval.H1, Interval.D1


@pytest.fixture
def repository(mongo_database, monkeypatch):
    monkeypatch.setattr("marketdata.mongo._databases", {})
    return BarRepository(mongo_database)


@pytest.fixture
def bitcoin(db, demo_market, settings, repository):
    """The registered symbol; its provider is the running demo market."""
    settings.DEMO_MARKET_URL = demo_market.url
    details = next(found for found in demo_instruments() if found.symbol == BTC)
    return add_symbol(code=BTC, details=details, streaming=False)[0]


@pytest.fixture
def heard():
    """What ``bars_synced`` told."""
    told = []

    def hear(sender, **kwargs):
        told.append((kwargs["symbol"], kwargs["interval"], kwargs["first"], kwargs["last"]))

    bars_synced.connect(hear)
    yield told
    bars_synced.disconnect(hear)


def sync(symbol, interval, start, end, repository):
    with opened_provider("demo") as provider:
        return sync_bars(
            instrument=symbol.instrument(),
            interval=interval,
            start=start,
            end=end,
            provider=provider,
            repository=repository,
        )


def test_a_sync_stores_what_the_provider_serves_and_repeating_it_writes_nothing(bitcoin, repository, heard):
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    start = end - timedelta(days=3)
    result = sync(bitcoin, H1, start, end, repository)
    stored = repository.between(bitcoin.instrument(), H1, None, None)
    assert (result.inserted, len(stored)) == (72, 72)
    assert [bar.open_time for bar in stored] == [start + n * timedelta(hours=1) for n in range(72)]
    assert {(bar.state, bar.source) for bar in stored} == {(BarState.FINAL, BarSource.HISTORY)}
    assert heard == [(BTC, H1, start, end - timedelta(hours=1))]
    again = sync(bitcoin, H1, start, end, repository)
    assert (again.inserted, again.replaced, again.unchanged, again.version) == (0, 0, 72, result.version)
    assert len(heard) == 1


def test_history_settles_what_was_streamed(bitcoin, repository):
    minute = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
    repository.save(bitcoin.instrument(), M1, [streamed(open_time=minute, price=1.0)])
    sync(bitcoin, M1, minute, minute + timedelta(minutes=1), repository)
    [stored] = repository.between(bitcoin.instrument(), M1, None, None)
    assert (stored.state, stored.open != 1.0) == (BarState.FINAL, True)


def test_the_first_sync_takes_a_chartful_and_later_ones_go_on_from_there(bitcoin, repository):
    now = datetime.now(UTC)
    with opened_provider("demo") as provider:
        first = sync_latest(
            instrument=bitcoin.instrument(), interval=M1, now=now, provider=provider, repository=repository
        )
        later = sync_latest(
            instrument=bitcoin.instrument(), interval=M1, now=now, provider=provider, repository=repository
        )
    assert 990 <= first.inserted <= 1_001
    assert later.inserted + later.replaced == 0
    assert later.unchanged <= 2


def test_a_sync_begins_at_the_first_bar_that_history_has_not_told(bitcoin, repository):
    instrument = bitcoin.instrument()

    def begins(now_minute):
        return unsettled_from(
            instrument=instrument,
            interval=M1,
            now=START + timedelta(minutes=now_minute),
            repository=repository,
        )

    assert begins(10) is None
    repository.save(instrument, M1, [bar(n) for n in range(5)])
    assert begins(5) == START + timedelta(minutes=4)  # nothing is open: the newest is asked for again
    repository.save(instrument, M1, [streamed(7), bar(8)])
    assert begins(9) == START + timedelta(minutes=5)  # the hole, though a newer bar is final
    repository.save(instrument, M1, [bar(5), bar(6)])
    assert begins(9) == START + timedelta(minutes=7)  # what we closed ourselves


@pytest.mark.parametrize(
    ("calendar", "interval"),
    [
        ("24/7", M1),
        ("24/7", Interval.MN1),
        ("XNYS", M1),
        ("XNYS", H1),
        ("XNYS", D1),
        ("forex", Interval.H4),
        ("XTKS", M1),
    ],
)
def test_the_look_back_reaches_a_thousand_bars_and_not_far_beyond(calendar, interval):
    from domain.calendars import get_calendar

    now = datetime(2026, 11, 27, 12, tzinfo=UTC)
    start = lookback(calendar, interval, 1_000, now)
    found = list(get_calendar(calendar).windows(interval, int(start.timestamp()), int(now.timestamp())))
    assert 1_000 <= len(found) <= 1_050


def test_adding_a_symbol_queues_its_13_series_with_those_of_the_chart_first(
    bitcoin, django_capture_on_commit_callbacks
):
    ether = next(found for found in demo_instruments() if found.symbol == "DEMO:ETHUSD")
    with django_capture_on_commit_callbacks(execute=True):
        add_symbol(code=ether.symbol, details=ether)
    tasks = [task.task for task in OrmQ.objects.order_by("id")]
    assert [task["args"] for task in tasks[:3]] == [("DEMO:ETHUSD", interval) for interval in ("1m", "1h", "1d")]
    assert {task["args"][1] for task in tasks} == set(Interval)


def test_asking_again_while_a_sync_waits_queues_nothing(bitcoin):
    assert (queue_sync(BTC), queue_sync(BTC)) == (13, 0)
    assert OrmQ.objects.count() == 13


def test_a_request_that_no_worker_took_up_may_be_made_again(bitcoin):
    queue_sync(BTC)
    SeriesSync.objects.update(queued_at=datetime.now(UTC) - timedelta(minutes=11))
    assert queue_sync(BTC) == 13


def test_a_task_brings_its_series_up_to_date_and_notes_how_it_ended(bitcoin, repository):
    queue_sync(BTC)
    assert sync_series(BTC, "1d")["inserted"] > 900
    row = SeriesSync.objects.get(symbol=bitcoin, interval="1d")
    assert (row.state, row.queued_at, row.failures) == ("completed", None, 0)
    sync_series(BTC, "1d")  # a task may run twice
    assert SeriesSync.objects.get(symbol=bitcoin, interval="1d").state == "up_to_date"
    assert repository.series(bitcoin.instrument(), D1).version == 1


def test_all_13_series_are_filled_and_no_task_takes_longer_than_five_seconds(bitcoin, repository):
    for interval in Interval:
        begun = datetime.now(UTC)
        sync_series(BTC, interval.value)
        assert (datetime.now(UTC) - begun).total_seconds() < 5
        assert repository.series(bitcoin.instrument(), interval).count > 100


def test_a_provider_that_is_away_is_tried_again_ever_more_rarely_by_one_schedule(bitcoin, settings):
    settings.DEMO_MARKET_URL = "ws://127.0.0.1:9/socket.io/websocket"  # discard: nobody listens
    pauses = []
    for _ in range(2):
        sync_series(BTC, "1m")
        row, schedule = SeriesSync.objects.get(interval="1m"), Schedule.objects.get()
        pauses.append((schedule.next_run - row.finished_at).total_seconds())
        assert (row.state, bool(row.reason)) == ("error", True)
    assert pauses == [30, 60]


def test_a_retired_symbol_is_not_synced(bitcoin, repository):
    queue_sync(BTC)
    Symbol.objects.update(status=Symbol.Status.RETIRED)
    assert (queue_sync(BTC), sync_series(BTC, "1d")["inserted"], Schedule.objects.count()) == (0, 0, 0)


def test_an_unknown_symbol_cannot_be_synced(db):
    with pytest.raises(UnknownSymbol):
        queue_sync("DEMO:NOPE")


def test_a_symbol_registered_while_its_provider_was_away_is_resolved_by_its_first_sync(
    db, demo_market, settings, repository
):
    settings.DEMO_MARKET_URL = "ws://127.0.0.1:9/socket.io/websocket"
    symbol, created = add_symbol(code="DEMO:AAPL", streaming=False)
    assert (created, symbol.status) == (True, "unresolved")
    settings.DEMO_MARKET_URL = demo_market.url
    sync_series("DEMO:AAPL", "1d")
    symbol = Symbol.objects.get(code="DEMO:AAPL")
    assert (symbol.status, symbol.status_reason, symbol.quote_currency) == ("active", "", "USD")
    assert repository.series(symbol.instrument(), D1).count > 900


def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    call_command("sync_bars", *arguments, stdout=out, stderr=err)
    return [orjson.loads(line) for line in out.getvalue().splitlines()], err.getvalue()


def test_the_command_prints_one_object_a_series(bitcoin, repository):
    rows, _ = run(BTC, "--interval", "1h", "--interval", "1d", "--start", "-10d", "--json")
    assert [(row["symbol"], row["interval"]) for row in rows] == [(BTC, "1h"), (BTC, "1d")]
    # 240 hours open in any ten days, and the last of them is not over.
    assert rows[0]["inserted"] == repository.series(bitcoin.instrument(), H1).count == 239


def test_the_command_tells_people_what_it_did(bitcoin):
    rows, words = run(BTC, "--interval", "1h", "--start", "2026-01-05", "--end", "2026-01-06")
    assert rows == []
    assert words.startswith(f"{BTC} 1h: ")


@pytest.mark.parametrize(
    "wrong",
    [
        ["DEMO:NOPE"],
        ["AAPL"],
        [BTC, "--interval", "7m"],
        [BTC, "--start", "2026-01-05T10:00:00"],
        [BTC, "--start", "now", "--end", "-1d"],
    ],
)
def test_wrong_use_of_the_command_ends_with_code_2(bitcoin, wrong):
    with pytest.raises(CommandError) as raised:
        run(*wrong)
    assert raised.value.returncode == 2


def test_a_provider_that_is_away_makes_the_command_fail(bitcoin, settings):
    settings.DEMO_MARKET_URL = "ws://127.0.0.1:9/socket.io/websocket"
    with pytest.raises(CommandError) as raised:
        run(BTC, "--interval", "1h", "--start", "-1d")
    assert raised.value.returncode == 1


def test_a_provider_error_reaches_the_caller_of_the_service(bitcoin, settings, repository):
    settings.DEMO_MARKET_URL = "ws://127.0.0.1:9/socket.io/websocket"
    with pytest.raises(ProviderUnavailable):
        sync(bitcoin, H1, datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC), repository)

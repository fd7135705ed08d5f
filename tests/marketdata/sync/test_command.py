"""manage.py sync_bars, as people and scripts use it."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_q.models import OrmQ

from domain.interval import Interval
from marketdata import scheduled
from marketdata.models import ProviderPace, SyncRun
from marketdata.progress import Progress
from symbols.models import Symbol
from symbols.services import add_symbol
from tests.marketdata.sync.conftest import BTC

ROOT = Path(__file__).resolve().parents[3]
H1 = Interval.H1
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bitcoin(alone):
    return alone


def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    call_command("sync_bars", *arguments, stdout=out, stderr=err)
    return [orjson.loads(line) for line in out.getvalue().splitlines()], err.getvalue()


def failing(*arguments):
    with pytest.raises(CommandError) as raised:
        run(*arguments)
    return raised.value.returncode, str(raised.value)


def test_the_command_prints_one_object_a_series(bitcoin, repository):
    rows, _ = run(BTC, "--interval", "1h", "--interval", "1d", "--start", "-10d", "--json")
    assert {(row["symbol"], row["interval"], row["state"]) for row in rows} == {
        (BTC, "1h", "completed"),
        (BTC, "1d", "completed"),
    }
    hours = next(row for row in rows if row["interval"] == "1h")
    assert hours["inserted"] == repository.series(bitcoin.instrument(), H1).count in (238, 239, 240)
    assert SyncRun.objects.get().state == "completed"
    assert OrmQ.objects.count() == 0  # nothing was left to the workers


def test_words_are_for_people_and_logs_do_not_say_them_again(bitcoin, caplog):
    with caplog.at_level("INFO"):
        run(BTC, "--interval", "1h", "--start", "-1d", "--quiet")
    assert [record for record in caplog.records if record.name.startswith("marketdata")] == []


def test_the_command_tells_people_what_it_did_and_again_that_there_was_nothing(bitcoin):
    rows, words = run(BTC, "--interval", "1h", "--start", "2026-11-05", "--end", "2026-11-06")
    assert rows == []
    assert words == f"{BTC} 1h: 24 new, 0 replaced, 0 unchanged, 2026-11-05 00:00 to 2026-11-05 23:00\n"
    _, words = run(BTC, "--interval", "1h", "--start", "2026-11-05", "--end", "2026-11-06")
    assert words == f"{BTC} 1h: 0 new, 0 replaced, 0 unchanged\n"
    _, words = run(BTC, "--interval", "1h", "--start", "2026-11-05", "--end", "2026-11-06", "--everything")
    assert words.startswith(f"{BTC} 1h: 0 new, 0 replaced, 24 unchanged")
    assert run(BTC, "--interval", "1h", "--quiet") == ([], "")


def test_a_dry_run_shows_the_plan_and_asks_for_nothing(bitcoin, repository, settings):
    settings.DEMO_MARKET_URL = "ws://127.0.0.1:9/socket.io/websocket"  # discard: nobody listens
    [row], words = run(BTC, "--interval", "1h", "--start", "2026-11-05", "--end", "2026-11-06", "--dry-run", "--json")
    assert (row["bars"], row["pages"], row["requests"][0]["start"]) == (24, 1, "2026-11-05T00:00:00Z")
    assert words.startswith("1 of 1 series, 24 bars, 1 requests, about ")
    assert (SyncRun.objects.count(), repository.series(bitcoin.instrument(), H1)) == (0, None)


def test_a_run_may_be_left_to_the_workers(bitcoin):
    out = io.StringIO()
    call_command("sync_bars", "--exchange", "DEMO", "--background", stdout=out)
    found = SyncRun.objects.get(pk=int(out.getvalue()))
    assert (found.state, found.items.count(), OrmQ.objects.count()) == ("running", 13, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["DEMO:NOPE"],
        ["AAPL"],
        [BTC, "--interval", "7m"],
        [BTC, "--start", "2026-01-05T10:00:00"],
        [BTC, "--start", "now", "--end", "-1d"],
    ],
)
def test_wrong_use_of_the_command_ends_with_code_2(bitcoin, wrong):
    assert failing(*wrong)[0] == 2
    assert SyncRun.objects.count() == 0


def test_a_provider_that_is_away_makes_the_command_fail_at_once_for_all_series(bitcoin, settings):
    settings.DEMO_MARKET_URL = "ws://127.0.0.1:9/socket.io/websocket"
    assert failing(BTC, "--start", "-1d") == (1, "13 of 13 series failed")
    found = SyncRun.objects.get()
    assert (found.state, found.items.exclude(due_at=None).count()) == ("failed", 0)


def test_what_the_provider_refuses_is_told_and_the_rest_is_done(bitcoin, demo_market):
    ether = demo_market.market.instrument("DEMO:ETHUSD")
    add_symbol(code=ether.symbol, details=ether)
    demo_market.faults.set(symbol_errors=frozenset({"DEMO:ETHUSD"}))
    code, words = failing(BTC, "DEMO:ETHUSD", "--interval", "1d")
    assert code == 3
    assert words.startswith("of 2 series 1 failed; see run ")
    reason = SyncRun.objects.get(kind="manual").items.get(state="error").reason
    assert "the provider knows no such symbol" in reason


def test_backfill_fetches_what_is_missing_and_nothing_else(bitcoin, repository):
    run(BTC, "--interval", "1h", "--interval", "1d", "--quiet")
    instrument = bitcoin.instrument()
    [first, *_, last] = repository.latest(instrument, H1, 30)[:5]
    assert backfill() == "nothing is missing\n"
    repository.delete(instrument, H1, first.open_time, last.open_time)
    words = backfill()
    assert words == f"{BTC} 1h: 4 new, 0 replaced, 0 unchanged, {first.open_time:%Y-%m-%d %H:%M} to " + (
        f"{last.open_time - timedelta(hours=1):%Y-%m-%d %H:%M}\n"
    )
    assert SyncRun.objects.first().items.count() == 1


def backfill(*arguments):
    err = io.StringIO()
    call_command("backfill", BTC, "--interval", "1h", "--interval", "1d", *arguments, stdout=io.StringIO(), stderr=err)
    return err.getvalue()


def test_backfill_goes_for_what_is_lost_first(bitcoin):
    out = io.StringIO()
    call_command("backfill", "--background", "--json", stdout=out, stderr=io.StringIO())
    found = SyncRun.objects.get(pk=orjson.loads(out.getvalue())["run"])
    waiting = list(found.items.values_list("interval", "position"))
    assert [waiting[0][0], waiting[-1][0]] == ["1m", "1M"]
    assert [position for _, position in waiting] == sorted(position for _, position in waiting)
    # The oldest minute that can be had when it is planned, right before the run is made, is lost with the next one.
    assert -10 <= waiting[0][1] - found.created_at.timestamp() <= 120


def test_ctrl_c_finishes_the_page_in_hand_and_the_next_run_goes_on(bitcoin, demo_market, repository):
    environment = {**os.environ, "DEMO_MARKET_URL": demo_market.url, "DATABASE_URL": _database_url()}
    environment["MONGODB_DATABASE"] = django_settings.MONGODB_DATABASE
    process = subprocess.Popen(
        [sys.executable, "manage.py", "sync_bars", BTC, "--json"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    first = orjson.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    rest, words = process.communicate(timeout=60)
    done = [first, *map(orjson.loads, rest.splitlines())]
    assert process.returncode == 130, words
    assert re.search(r"interrupted, \d+ of 13 series done; run it again to go on", words)
    assert SyncRun.objects.get().state == "cancelled"
    for row in done:
        series = repository.series(bitcoin.instrument(), Interval(row["interval"]))
        assert series.count == row["inserted"]
    rows, _ = run(BTC, "--json")
    assert len(rows) == 13
    assert {row["inserted"] <= 2 for row in rows if row["interval"] in {each["interval"] for each in done}} == {True}


def _database_url():
    return f"sqlite:///{django_settings.DATABASES['default']['NAME']}"


def test_without_a_terminal_progress_is_a_line_each_ten_seconds():
    now, stream = [0.0], io.StringIO()
    shown = Progress(100, "series", stream=stream, monotonic=lambda: now[0])
    for _ in range(25):
        now[0] += 1.0
        shown.advance(1)
    assert stream.getvalue().splitlines() == ["10 of 100 series", "20 of 100 series"]
    Progress(1, "series", stream=stream, is_quiet=True).advance(1)
    assert len(stream.getvalue().splitlines()) == 2


def test_a_pause_that_the_command_waits_for_is_named_once(bitcoin):
    until = timezone.now() + timedelta(seconds=1.2)
    ProviderPace.objects.create(provider="demo", paused_until=until, is_limited=True, reason="too many requests")
    rows, words = run("DEMO:BTCUSD", "--interval", "1h", "--start", "-2d", "--json")
    assert [row["state"] for row in rows] == ["completed"]
    assert words.count(f"demo is left alone until {until:%H:%M:%S} UTC: too many requests") == 1


def test_what_is_registered_offline_is_asked_for_by_name_alone(bitcoin):
    Symbol.objects.update(status=Symbol.Status.OFFLINE)
    assert scheduled.sync_all() == "nothing to sync"
    out = io.StringIO()
    call_command("backfill", "--json", stdout=out, stderr=io.StringIO())
    assert out.getvalue() == ""
    rows, _ = run("DEMO:BTCUSD", "--interval", "1h", "--start", "-2d", "--json")
    assert [row["state"] for row in rows] == ["completed"]
    assert Symbol.objects.get().status == Symbol.Status.ACTIVE

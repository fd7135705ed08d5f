"""Coverage and sync pages: what is there, what is missing and why, and how to have it fetched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from domain.interval import Interval
from marketdata.collections import BARS
from marketdata.models import ProviderPace, SyncItem, SyncRun
from marketdata.repository import BarRepository
from marketdata.schedules import make_schedules
from providers.demo import demo_instruments
from symbols.models import Symbol
from symbols.services import add_symbols
from tests.marketdata.builders import bar

pytestmark = pytest.mark.django_db
BTC = "DEMO:BTCUSD"


@pytest.fixture
def reader(client, mongo_database, settings):
    settings.DEMO_MARKET_URL = "ws://127.0.0.1:9/socket.io/websocket"  # the discard port: nobody listens
    add_symbols(demo_instruments())
    client.force_login(get_user_model().objects.create_user("reader"))
    return client


@pytest.fixture
def hours(reader, mongo_database):
    """A hundred hours of BTC, three of them missing."""
    instrument = Symbol.objects.with_code(BTC).instrument()
    last = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    opens = [last - timedelta(hours=n) for n in range(100) if n not in (50, 51, 70)][::-1]
    bars = [bar(0, instrument=instrument, interval=Interval.H1, open_time=moment) for moment in opens]
    BarRepository(mongo_database).save(instrument, Interval.H1, bars)
    return opens


def test_the_matrix_shows_shares_gaps_and_what_was_never_asked_for(reader, hours):
    page = reader.get("/coverage/").content.decode()
    assert page.partition("</table>")[0].count('data-shade="') == Symbol.objects.active().count() * 13
    assert 'class="cell is-gap" data-shade="h3"' in page
    # The last of them counts two minutes after it closed.
    assert "97 of 100 bars, 3 missing" in page or "96 of 99 bars, 3 missing" in page
    assert 'data-shade="never"' in page


def test_a_series_says_what_is_missing_why_and_until_when(reader, hours):
    page = reader.get(f"/coverage/{BTC}", {"interval": "1h"}).content.decode()
    assert page.count("not asked") == 2
    assert "Day by day" in page
    assert ">Fill<" in page


def test_the_ledger_is_compared_with_the_stored_bars_by_post_alone(reader, hours, mongo_database):
    page = f"/coverage/{BTC}?interval=1h"
    assert "compared with every stored bar" not in reader.get(f"{page}&verify").content.decode()
    mongo_database[BARS].delete_many({})
    assert "<dt>Stored bars</dt><dd>97</dd>" in reader.get(page).content.decode()
    verified = reader.post(page).content.decode()
    assert "compared with every stored bar" in verified
    assert "<dt>Stored bars</dt><dd>0</dd>" in verified


def test_a_series_that_was_never_asked_for_offers_its_history(reader):
    page = reader.get(f"/coverage/{BTC}", {"interval": "1d"}).content.decode()
    assert "Nothing is stored of this series yet" in page
    assert ">Get history<" in page


def test_filling_starts_a_run_and_shows_it(reader, hours):
    answer = reader.post(f"/coverage/{BTC}/fill/", {"interval": "1h"})
    run = SyncRun.objects.get(kind=SyncRun.Kind.MANUAL)
    assert answer.headers["Location"] == f"/sync/{run.pk}/"  # as a browser's form asks
    item = SyncItem.objects.get(run=run)
    assert (item.symbol.code, item.interval, run.requested_by.username) == (BTC, "1h", "reader")
    page = reader.get(f"/sync/{run.pk}/").content.decode()
    assert f"{BTC} 1h" in page
    told = reader.post(f"/coverage/{BTC}/fill/", {"interval": "1h"}, headers={"accept": "application/json"})
    assert told.status_code == 202
    assert reader.get(told.json()["url"]).json()["items"][0]["symbol"] == BTC
    assert reader.get(told.json()["page"]).status_code == 200
    assert f'data-poll="/api/v1/sync/runs/{run.pk}?limit=1"' in page


def test_a_sync_shows_what_it_would_ask_for_before_it_starts(reader):
    shown = reader.post("/sync/start/", {"symbols": f"{BTC}, DEMO:AAPL", "interval": ["1h", "1d"]}).content.decode()
    assert "4 of 4 series need something" in shown
    assert not SyncRun.objects.filter(kind=SyncRun.Kind.MANUAL).exists()
    started = reader.post("/sync/start/", {"symbols": BTC, "interval": "1h", "start": "1"})
    run = SyncRun.objects.get(kind=SyncRun.Kind.MANUAL)
    assert started.headers["Location"] == f"/sync/{run.pk}/"
    assert f'href="/sync/{run.pk}/"' in reader.get("/sync/").content.decode()


@pytest.mark.parametrize("symbols", ["", "NOT A SYMBOL", "DEMO:NOBODY"])
def test_a_sync_of_what_is_not_there_says_so(reader, symbols):
    answer = reader.post("/sync/start/", {"symbols": symbols})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()


def test_a_run_is_paused_resumed_and_cancelled(reader):
    reader.post(f"/coverage/{BTC}/fill/", {"interval": "1h"})
    run = SyncRun.objects.get(kind=SyncRun.Kind.MANUAL)
    for action, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert reader.post(f"/sync/{run.pk}/{action}/").status_code == 302
        run.refresh_from_db()
        assert run.state == state
    late = reader.post(f"/sync/{run.pk}/pause/")
    assert late.status_code == 409
    page = late.content.decode()
    assert "This cannot be done any more" in page
    assert f"run {run.pk} has ended: it is cancelled" in page
    assert f'href="/sync/{run.pk}/">Back' in page


def test_what_is_not_there_is_a_404_or_a_400(reader):
    assert reader.get("/coverage/DEMO:NOBODY").status_code == 404
    assert reader.get(f"/coverage/{BTC}", {"interval": "7m"}).status_code == 400
    assert reader.post(f"/coverage/{BTC}/fill/", {"interval": "7m"}).status_code == 400
    assert reader.get("/sync/999999/").status_code == 404
    assert reader.get(f"/coverage/{BTC}/fill/").status_code == 405


def idle_and_not() -> tuple[SyncRun, SyncRun]:
    """A scheduled run that found everything up to date, and one that did not."""
    symbol, done = Symbol.objects.with_code(BTC), timezone.now()
    found = []
    for state in ("up_to_date", "completed"):
        run = SyncRun.objects.create(kind="schedule", state="completed", fingerprint="all symbols", finished_at=done)
        items = [SyncItem(run=run, symbol=symbol, interval=text, provider="demo") for text in ("1h", "1d")]
        items[0].state, items[1].state = "up_to_date", state
        SyncItem.objects.bulk_create(items)
        found.append(run)
    return found[0], found[1]


def test_runs_that_nobody_ordered_and_that_found_nothing_are_counted_and_shown_on_demand(reader):
    idle, other = idle_and_not()
    page = reader.get("/sync/").content.decode()
    assert (f'data-run="{idle.pk}"' in page, f'data-run="{other.pk}"' in page) == (False, True)
    assert "1 more run, which nobody ordered, found all up to date." in page
    page = reader.get("/sync/?idle=1").content.decode()
    assert (f'data-run="{idle.pk}"' in page, f'data-run="{other.pk}"' in page) == (True, True)
    for wanted, runs in (("true", {idle.pk}), ("false", set(SyncRun.objects.values_list("pk", flat=True)) - {idle.pk})):
        told = reader.get("/api/v1/sync/runs", {"idle": wanted, "limit": 500}).json()["runs"]
        assert {run["id"] for run in told} == runs
    assert reader.get("/api/v1/sync/runs", {"idle": "perhaps"}).status_code == 400


def test_a_schedule_tells_of_its_last_run(reader):
    make_schedules(timezone.now())
    _, other = idle_and_not()
    rows = reader.get("/sync/").content.decode().partition('id="schedules"')[2]
    [row] = [row for row in rows.split("<tr>") if "<td>sync all symbols" in row]
    assert f'href="/sync/{other.pk}/"' in row
    assert "Done" in row


def test_a_run_that_fails_says_what_happened_and_what_happens_next(reader):
    reader.post("/sync/start/", {"symbols": BTC, "interval": ["1h", "1d"], "start": "1"})
    run, later = SyncRun.objects.get(kind=SyncRun.Kind.MANUAL), timezone.now() + timedelta(minutes=3)
    SyncRun.objects.exclude(pk=run.pk).delete()
    run.items.update(state="error", due_at=None, reason="refused")
    run.items.filter(interval="1d").update(due_at=timezone.now(), reason="cannot connect")
    pause = {"paused_until": later, "reason": "no answer in 30 s"}
    ProviderPace.objects.update_or_create(provider="demo", defaults=pause)
    for path in ("/sync/", f"/sync/{run.pk}/"):
        page = reader.get(path).content.decode()
        assert f"{BTC} 1d: cannot connect. Next try {later:%Y-%m-%d %H:%M} UTC." in page
    assert (
        f"demo is left alone until {later:%Y-%m-%d %H:%M} UTC: no answer in 30 s."
        in reader.get("/sync/").content.decode()
    )
    run.items.update(due_at=None)
    assert "It is not tried again by itself." in reader.get(f"/sync/{run.pk}/").content.decode()
    assert "is left alone" not in reader.get("/sync/").content.decode()  # nothing waits for it


def test_what_moves_is_on_top_of_what_waits_to_be_tried_again(reader):
    made = []
    for state in ("error", "error", "error", "syncing"):
        run = SyncRun.objects.create(started_at=timezone.now())
        symbol = Symbol.objects.with_code(BTC)
        SyncItem.objects.create(
            run=run, symbol=symbol, interval="1h", provider="demo", state=state, due_at=timezone.now()
        )
        made.append(run.pk)
    cards = reader.get("/sync/").content.decode().partition('id="running"')[2].partition('id="symbols"')[0]
    shown = [int(part.partition('"')[0]) for part in cards.split('<div data-run="')[1:]]
    assert shown == [made[3], made[0], made[1]]


def test_gaps_are_listed_and_filled_all_at_once(reader, hours):
    page = reader.get("/coverage/gaps/").content.decode()
    assert "3 bars are missing, in 1 series. The first can be had until " in page
    assert page.count(f'action="/coverage/{BTC}/fill/"') == 2
    answer = reader.post("/coverage/gaps/fill/")
    run = SyncRun.objects.get(kind=SyncRun.Kind.MANUAL)
    assert answer.headers["Location"] == f"/sync/{run.pk}/"
    assert [(item.symbol.code, item.interval) for item in run.items.all()] == [(BTC, "1h")]
    assert "List what is missing" in reader.get("/coverage/").content.decode()


def test_a_gap_that_cannot_be_had_any_more_has_no_button(reader, mongo_database):
    instrument = Symbol.objects.with_code(BTC).instrument()
    old = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(days=30)
    minutes = [bar(0, instrument=instrument, open_time=old + timedelta(minutes=n)) for n in (0, 2)]
    BarRepository(mongo_database).save(instrument, Interval.M1, minutes)
    page = reader.get("/coverage/gaps/").content.decode()
    assert "2 gaps can no longer be filled from their provider." in page
    assert (page.count("not any more"), page.count(f'action="/coverage/{BTC}/fill/"')) == (2, 1)


def test_without_gaps_nothing_is_listed_or_started(reader):
    assert "Nothing is missing of what is stored." in reader.get("/coverage/gaps/").content.decode()
    assert reader.post("/coverage/gaps/fill/").headers["Location"] == "/coverage/gaps/"
    assert not SyncRun.objects.filter(kind=SyncRun.Kind.MANUAL).exists()


def test_strangers_see_nothing(client):
    for path in ("/coverage/", "/coverage/gaps/", f"/coverage/{BTC}", "/sync/", "/sync/1/"):
        assert client.get(path).status_code == 302
    for path in (f"/coverage/{BTC}/fill/", "/coverage/gaps/fill/", "/sync/start/", "/sync/1/cancel/"):
        assert client.post(path).status_code in (302, 403)


def test_the_series_of_a_run_are_sorted_before_they_are_cut_into_pages(reader):
    reader.post("/sync/start/", {"symbols": " ".join(Symbol.objects.values_list("code", flat=True)[:20]), "start": "1"})
    run = SyncRun.objects.get(kind=SyncRun.Kind.MANUAL)
    assert run.items.count() > 100
    last = run.items.order_by("position", "id").last()
    run.items.filter(pk=last.pk).update(state=SyncItem.State.ERROR, reason="broken on purpose")
    page = reader.get(f"/sync/{run.pk}/").content.decode()
    assert page.index("broken on purpose") < page.index(">Waiting<", page.index("<tbody>"))
    failed = reader.get(f"/sync/{run.pk}/", {"state": "error"}).content.decode()
    assert failed.count("<tr>") == 2
    assert reader.get(f"/sync/{run.pk}/", {"state": "odd"}).status_code == 400
    assert reader.get(f"/sync/{run.pk}/", {"page": "99"}).status_code == 200


def test_what_has_not_ended_is_on_top_and_schedules_are_said_in_words(reader):
    make_schedules(datetime.now(UTC))
    reader.post("/sync/start/", {"symbols": BTC, "interval": ["1h"], "start": "1"})
    page = reader.get("/sync/").content.decode()
    assert page.index("DEMO:BTCUSD · 1h") < page.index("New sync")
    assert "every 6 hours, at minute 30" in page
    assert "on trading days of" in page
    assert "shortly after each close of XNYS" in page
    assert "*/6" not in page
    assert "Next automatic sync in" in page
    assert "<noscript>" in page
    assert "http-equiv" not in page


def test_a_plan_s_address_opened_anew_leads_to_the_overview(reader):
    assert reader.get("/sync/start/").headers["Location"] == "/sync/"


def test_the_bottom_bar_has_five_places_and_sync_is_one_of_them(reader, mongo_database):
    for address in (f"/chart/{BTC}", "/coverage/", "/sync/", "/about/"):
        page = reader.get(address).content.decode()
        bar = page[page.index('<nav class="bottombar"') :]
        bar = bar[: bar.index("</nav>")]
        assert bar.count("<svg") == 5, address
        assert 'href="/sync/"' in bar
    assert 'class="only-phone" href="/coverage/"' in reader.get(f"/chart/{BTC}").content.decode()

"""Syncs over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model

from domain.interval import Interval
from marketdata.models import SyncItem, SyncRun
from marketdata.processes import own_name
from marketdata.sync_chunk import Chunk
from symbols.models import Symbol
from tests.marketdata.sync.conftest import BTC

URL, RUNS = "/api/v1/sync", "/api/v1/sync/runs"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user(alone):
    return get_user_model().objects.create_user("editor")


@pytest.fixture
def editor(client, user):
    client.force_login(user)
    return client


def post(client, body, url=URL, **headers):
    return client.post(url, body, content_type="application/json", headers=headers)


def test_an_order_gives_a_run_whose_url_tells_how_far_it_is(editor, repository):
    answer = post(editor, {"symbols": [BTC], "intervals": ["1h", "1D"]})
    run = answer.json()
    assert (answer.status_code, answer["Location"], run["state"], run["series"]) == (202, run["url"], "running", 2)
    assert run["items_by_state"]["pending"] == 2
    Chunk("demo", own_name()).run()
    run = editor.get(run["url"]).json()
    assert (run["state"], run["done"], run["requested_by"], run["seconds_left"]) == ("completed", 2, "editor", 0.0)
    assert {(item["symbol"], item["interval"], item["state"]) for item in run["items"]} == {
        (BTC, "1h", "completed"),
        (BTC, "1d", "completed"),
    }
    assert run["inserted"] == sum(item["inserted"] for item in run["items"]) > 5_900


def test_symbols_are_chosen_by_a_filter_over_the_registry(editor):
    assert post(editor, {"filter": {"exchange": ["DEMO"]}}).json()["series"] == 13
    assert post(editor, {"filter": {"exchange": ["DEMO"], "type": ["stock"]}}).json()["series"] == 0
    assert post(editor, {"symbols": [BTC], "filter": {"type": ["stock"]}}).json()["series"] == 0
    assert post(editor, {"symbols": [BTC, BTC.lower()], "intervals": ["1h"]}).json()["series"] == 1


@pytest.mark.parametrize(("name", "known"), [("exchange", "DEMO"), ("provider", "demo"), ("status", "active")])
def test_a_filter_of_a_word_that_means_nothing_is_no_sync_of_nothing(editor, name, known):
    answer = post(editor, {"filter": {name: [known, "DEMOO"]}})
    assert answer.status_code == 400
    assert f"filter {name}: 'DEMOO' is none of " in answer.json()["detail"]
    assert known in answer.json()["detail"]


def test_a_dry_run_shows_the_plan_and_starts_nothing(editor, settings):
    settings.DEMO_MARKET_URL = "ws://127.0.0.1:9/socket.io/websocket"  # discard: nobody listens
    body = {"symbols": [BTC], "intervals": ["1h"], "start": "2026-11-05", "end": "2026-11-06", "dry_run": True}
    plan = post(editor, body).json()
    [series] = plan["series"]
    assert series["requests"] == [
        {"start": "2026-11-05T00:00:00Z", "end": "2026-11-06T00:00:00Z", "bars": 24, "pages": 1}
    ]
    assert [(hole["bars"], hole["reason"]) for hole in series["holes"]] == [(24, "not asked")]
    assert (plan["bars"], plan["pages"], plan["series_up_to_date"]) == (24, 1, 0)
    assert plan["seconds"] > 0
    assert SyncRun.objects.count() == 0


def test_a_plan_never_asks_beyond_the_providers_window_and_says_so(editor):
    body = {"symbols": [BTC], "intervals": ["1m"], "start": "-30d", "dry_run": True}
    [series] = post(editor, body).json()["series"]
    assert (series["pages"], len(series["requests"])) == (1, 1)
    assert series["bars"] in (4_999, 5_000)  # a minute may begin meanwhile
    assert series["truncated_before"] == series["requests"][0]["start"]
    assert series["reason"] == "beyond the provider's window of 5000 bars"


def test_one_small_series_may_be_waited_for(editor, repository):
    start = (datetime.now(UTC) - timedelta(days=10)).isoformat()
    answer = post(editor, {"symbols": [BTC], "intervals": ["1h"], "start": start, "wait": True})
    run = answer.json()
    assert (answer.status_code, run["state"], run["items_by_state"]["completed"]) == (200, "completed", 1)
    series = repository.series(Symbol.objects.get().instrument(), Interval.H1)
    assert series.count == run["inserted"] in (238, 239, 240)


def test_what_is_waited_for_and_fails_is_tried_again_by_the_workers(editor, settings):
    settings.DEMO_MARKET_URL = "ws://127.0.0.1:9/socket.io/websocket"
    answer = post(editor, {"symbols": [BTC], "intervals": ["1h"], "wait": True})
    run = answer.json()
    assert (answer.status_code, run["state"], run["items_by_state"]["error"]) == (202, "running", 1)
    assert run["next_try_at"] is not None
    assert SyncRun.objects.get().owner == ""


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "choose symbols"),
        ({"symbols": []}, "choose symbols"),
        ({"symbols": [BTC], "intervals": ["7m"]}, "unknown interval"),
        ({"symbols": ["AAPL"]}, "not a symbol"),
        ({"symbols": [BTC], "symbol": BTC}, "did you mean 'symbols'"),
        ({"symbols": [BTC], "start": "2026-01-05T10:00"}, "a time without a zone"),
        ({"symbols": [BTC], "start": "now", "end": "-1d"}, "must be before the end"),
        ({"symbols": [BTC], "wait": True}, "one series at a time"),
        ({"symbols": [BTC], "wait": True, "dry_run": True}, "a dry run does nothing"),
        ({"symbols": {"$gt": ""}}, "Expected a list"),
        ({"symbols": [{"$gt": ""}]}, "Not a valid string"),
        ({"filter": {"exchange": ["DEMO"], "$where": "1"}}, "Unknown parameter"),
        ({"symbols": [BTC], "missing_only": "perhaps"}, "Must be a valid boolean"),
        ({"symbols": [BTC], "start": 1e308}, "not a moment"),
        ([], "Invalid data"),
    ],
)
def test_a_wrong_order_is_refused_in_words(editor, body, words):
    answer = post(editor, body)
    assert answer.status_code == 400
    assert words in answer.json()["detail"]
    assert SyncRun.objects.count() == 0


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"symbols": ' * 50_000,
        '{"start": NaN}',
        '{"start": ' + "9" * 5_000 + "}",
        "x",
        '{"symbols": ["\\ud800:A"]}',
    ],
)
def test_a_body_that_cannot_be_read_is_the_askers_mistake(editor, body):
    answer = editor.post(URL, body, content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


def test_only_json_is_read(editor):
    assert editor.post(URL, {"symbols": BTC}).status_code == 415


def test_symbols_that_are_not_registered_are_all_named(editor):
    answer = post(editor, {"symbols": ["DEMO:NOPE", BTC, "DEMO:NADA"]})
    assert answer.status_code == 404
    assert "DEMO:NOPE, DEMO:NADA" in answer.json()["detail"]


def test_the_same_idempotency_key_gives_the_same_run(editor):
    key = {"Idempotency-Key": "7c1d"}
    first = post(editor, {"symbols": [BTC], "start": "-10d"}, **key)
    again = post(editor, {"start": "-10d", "symbols": [BTC]}, **key)
    assert (again.status_code, again.json()["id"], again["Idempotent-Replay"]) == (202, first.json()["id"], "true")
    other = post(editor, {"symbols": [BTC]}, **key)
    assert (other.status_code, other.json()["type"]) == (409, "/problems/#conflict")
    assert post(editor, {"symbols": [BTC]}, **{"Idempotency-Key": "x" * 201}).status_code == 400
    assert SyncRun.objects.count() == 1


def test_a_run_is_paused_resumed_cancelled_and_tried_again(editor):
    url = post(editor, {"symbols": [BTC], "intervals": ["1h"]}).json()["url"]

    def act(action):
        answer = post(editor, None, f"{url}/{action}")
        return answer.status_code, answer.json().get("state")

    assert act("pause") == (200, "paused")
    assert act("resume") == (200, "running")
    assert act("retry") == (409, None)
    assert act("cancel") == (200, "cancelled")
    assert act("resume") == (409, None)
    assert act("retry") == (200, "running")
    Chunk("demo", own_name()).run()
    assert editor.get(url).json()["state"] == "completed"
    assert act("pause") == (409, None)
    assert post(editor, None, f"{url}/explode").status_code == 404
    assert post(editor, None, f"{RUNS}/99999/pause").status_code == 404


def test_runs_are_listed_newest_first_a_page_at_a_time(editor):
    made = [post(editor, {"symbols": [BTC], "intervals": ["1h"]}).json()["id"] for _ in range(5)]
    SyncRun.objects.filter(pk=made[0]).update(state="failed")
    page = editor.get(RUNS, {"limit": 2}).json()
    found = [run["id"] for run in page["runs"]]
    while page["next"]:
        page = editor.get(page["next"]).json()
        found += [run["id"] for run in page["runs"]]
    assert found == made[::-1]
    assert [run["id"] for run in editor.get(RUNS, {"state": "failed"}).json()["runs"]] == [made[0]]


def test_the_series_of_a_run_come_a_page_at_a_time_and_by_state(editor):
    url = post(editor, {"symbols": [BTC]}).json()["url"]
    page = editor.get(url, {"limit": 5}).json()
    found = [item["id"] for item in page["items"]]
    while page["next"]:
        page = editor.get(page["next"]).json()
        found += [item["id"] for item in page["items"]]
    assert found == list(SyncItem.objects.order_by("id").values_list("id", flat=True))
    assert editor.get(url, {"state": "error"}).json()["items"] == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": 0},
        {"limit": "1e3"},
        {"limit": 10**30},
        {"cursor": "x"},
        {"cursor": 10**19},
        {"state": "nope"},
        {"stat": "error"},
    ],
)
def test_wrong_parameters_of_the_lists_are_refused(editor, parameters):
    url = post(editor, {"symbols": [BTC], "intervals": ["1h"]}).json()["url"]
    assert editor.get(RUNS, parameters).status_code == 400
    assert editor.get(url, parameters).status_code == 400


def test_a_run_that_does_not_exist_is_not_found(editor):
    assert editor.get(f"{RUNS}/1").status_code == 404
    assert editor.get(f"{RUNS}/{10**30}").status_code == 404


def test_strangers_are_sent_to_sign_in(client, alone):
    assert post(client, {"symbols": [BTC]}).status_code == 401
    assert client.get(RUNS).status_code == 401

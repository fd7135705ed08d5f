"""GET /api/v1/bars, as programs and the chart see it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from domain.interval import Interval
from tests.marketdata.builders import START, bar, streamed
from tests.marketdata.conftest import BTC, ETH

URL = "/api/v1/bars"


def minutes(*numbers, **values):
    return [bar(n, **values) for n in numbers]


def ethers(registered, *numbers):
    return [bar(n, instrument=registered[1]) for n in numbers]


def get(reader, **parameters):
    answer = reader.get(URL, {"symbols": BTC, "interval": "1m"} | parameters)
    assert answer.status_code == 200, answer.content
    return answer.json()


def problems(reader, status=400, **parameters):
    answer = reader.get(URL, parameters)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), answer.content
    return {error["field"]: error["detail"] for error in answer.json()["errors"]}


def numbers(answer):
    """Which of our bars came back, by their position after START."""
    moments = [datetime.fromisoformat(found["open_time"]) for found in answer["bars"]]
    return [(moment - START) // timedelta(minutes=1) for moment in moments]


def test_a_bar_is_written_as_the_documentation_shows_it(reader, store):
    store(btc=[bar(0, open=187.15, high=188.4, low=186.9, close=188.02, volume=812345.0)])
    assert get(reader)["bars"] == [
        {
            "symbol": BTC,
            "open_time": "2026-01-05T00:00:00Z",
            "open": 187.15,
            "high": 188.4,
            "low": 186.9,
            "close": 188.02,
            "volume": 812345,
        }
    ]


def test_without_an_order_the_newest_bars_come_newest_first(reader, store):
    store(btc=minutes(0, 1, 2, 3))
    assert numbers(get(reader, limit=2)) == [3, 2]


def test_ascending_without_a_start_gives_the_same_newest_bars_oldest_first(reader, store):
    store(btc=minutes(0, 1, 2, 3))
    assert numbers(get(reader, limit=2, order="asc")) == [2, 3]


def test_ascending_with_a_start_begins_there_and_ends_before_the_end(reader, store):
    store(btc=minutes(*range(6)))
    answer = get(reader, order="asc", start="2026-01-05T00:01:00Z", end="2026-01-05T00:04:00Z")
    assert numbers(answer) == [1, 2, 3]


def test_every_page_is_reached_through_next_and_no_bar_comes_twice(reader, store):
    store(btc=minutes(*range(7)))
    for parameters, expected in [
        ({"order": "asc", "start": "2026-01-05"}, [[0, 1, 2], [3, 4, 5], [6]]),
        ({}, [[6, 5, 4], [3, 2, 1], [0]]),
        ({"order": "asc"}, [[4, 5, 6], [1, 2, 3], [0]]),
    ]:
        answer = get(reader, limit=3, **parameters)
        pages = [numbers(answer)]
        while answer["next"]:
            assert answer["next"].startswith("http://testserver/api/v1/bars?cursor=")
            answer = reader.get(answer["next"]).json()
            pages.append(numbers(answer))
        assert pages == expected


def test_several_symbols_are_merged_by_time_and_paged_together(reader, store, registered):
    store(btc=minutes(0, 1, 2), eth=ethers(registered, 1, 2, 3))
    for order, start in [("asc", "2026-01-05"), ("desc", "2026-01-05")]:
        answer = get(reader, symbols=f"{BTC},{ETH}", order=order, start=start, end="2026-01-05T00:04:00Z", limit=2)
        found = answer["bars"]
        while answer["next"]:
            assert answer["meta"]["missing"] == [gap for gap in answer["meta"]["missing"] if gap["bars"] == 1]
            answer = reader.get(answer["next"]).json()
            found += answer["bars"]
        expected = [(0, BTC), (1, BTC), (1, ETH), (2, BTC), (2, ETH), (3, ETH)]
        places = list(zip(numbers({"bars": found}), [one["symbol"] for one in found], strict=True))
        assert places == (expected if order == "asc" else expected[::-1])


def test_pages_of_several_symbols_name_each_missing_bar_once(reader, store, registered):
    store(btc=minutes(0, 1, 3), eth=ethers(registered, 0, 2, 3))
    missing = []
    address = f"{URL}?symbols={BTC},{ETH}&interval=1m&order=asc&start=2026-01-05&end=2026-01-05T00:04:00Z&limit=1"
    while address:
        answer = reader.get(address).json()
        missing += [(gap["symbol"], gap["start"], gap["bars"]) for gap in answer["meta"]["missing"]]
        address = answer["next"]
    assert sorted(missing) == [(BTC, "2026-01-05T00:02:00Z", 1), (ETH, "2026-01-05T00:01:00Z", 1)]


def test_meta_tells_what_is_missing_within_the_range(reader, store):
    store(btc=[*minutes(0, 1, 5), streamed(6, partial=True)])
    meta = get(reader, start="2026-01-05", end="2026-01-05T00:08:00Z", order="asc")["meta"]
    assert (meta["interval"], meta["expected"], meta["returned"], meta["includes_forming"]) == ("1m", 8, 4, False)
    assert [(gap["symbol"], gap["start"], gap["end"], gap["bars"]) for gap in meta["missing"]] == [
        (BTC, "2026-01-05T00:02:00Z", "2026-01-05T00:05:00Z", 3),
        (BTC, "2026-01-05T00:07:00Z", "2026-01-05T00:08:00Z", 1),
    ]
    assert {gap["reason"] for gap in meta["missing"]} == {"beyond provider's window"}
    assert (meta["missing_bars"], meta["none_at_provider"], meta["notes"]) == (4, 0, [])
    assert (meta["provider"], meta["sources"]) == ("demo", {"history": 3, "stream": 1})
    assert (meta["provisional"], meta["partial"]) == (1, 1)


def test_a_page_that_was_cut_by_the_limit_speaks_only_for_its_own_bars(reader, store):
    store(btc=minutes(0, 1, 2, 3))
    assert get(reader, start="2026-01-05", order="asc", limit=2)["meta"]["expected"] == 2


def test_a_range_too_long_to_count_says_that_it_does_not_know(reader, store):
    store(btc=minutes(0))
    assert get(reader, start="2010-01-01", end="2026-02-01")["meta"]["expected"] is None


def test_the_bar_of_the_running_minute_is_not_expected(reader, store):
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    store(btc=[bar(open_time=minute - timedelta(minutes=n)) for n in (5, 4, 3)])
    meta = get(reader, start="-10m")["meta"]
    assert [gap["end"] for gap in meta["missing"]] == [(minute - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")]


def test_columns_and_epoch_times_carry_the_same_bars(reader, store):
    store(btc=minutes(0, 1))
    columns = get(reader, shape="columns", time="s", order="asc")["bars"]
    assert columns["open_time"] == [int(START.timestamp()), int(START.timestamp()) + 60]
    assert columns["close"] == [bar(0).close, bar(1).close]
    assert get(reader, time="ms", limit=1)["bars"][0]["open_time"] == (int(START.timestamp()) + 60) * 1000


@pytest.mark.parametrize(
    "moment",
    ["2026-01-05T00:01:00Z", "2026-01-05T01:01:00+01:00", "2026-01-05T01:01:00 01:00", "1767571260", "1767571260000"],
)
def test_a_moment_may_be_written_in_several_ways(reader, store, moment):
    store(btc=minutes(0, 1, 2))
    assert numbers(get(reader, start=moment, order="asc")) == [1, 2]


def test_aliases_are_understood(reader, store):
    store(btc=[bar(0, interval=Interval.D1)], interval=Interval.D1)
    answer = reader.get(URL, {"symbol": "demo:btcusd", "timeframe": "1D"}).json()
    assert (len(answer["bars"]), answer["meta"]["interval"]) == (1, "1d")


def test_a_time_of_day_without_a_zone_is_refused_and_told_how_to_write_it(reader):
    found = problems(reader, symbols=BTC, interval="1m", start="2026-01-05T14:30:00")
    assert "2026-01-05T14:30:00Z" in found["start"]


def test_all_mistakes_are_told_at_once(reader):
    found = problems(reader, symbols="AAPL", interval="7m", start="yesterday", limit="0", order="up", intervall="1m")
    assert set(found) == {"symbols", "interval", "start", "limit", "order", "intervall"}
    assert "'interval'" in found["intervall"]


@pytest.mark.parametrize("limit", ["0", "10001", "-1", "1e3", "9" * 30, ""])
def test_a_limit_out_of_range_is_refused(reader, limit):
    assert "limit" in problems(reader, symbols=BTC, interval="1m", limit=limit)


@pytest.mark.parametrize("moment", ["20260105", "-999999y", "1e9", "2026-13-01", "0" * 400, "9" * 40, "-5q", "\x00"])
def test_what_is_no_moment_is_refused(reader, moment):
    assert "start" in problems(reader, symbols=BTC, interval="1m", start=moment)


def test_an_unknown_interval_is_refused_and_a_month_is_never_a_minute(reader):
    assert "interval" in problems(reader, symbols=BTC, interval="2m")
    assert reader.get(URL, {"symbols": BTC, "interval": "1M"}).json()["meta"]["interval"] == "1M"


def test_an_unknown_symbol_is_a_404_that_names_it(reader):
    problems(reader, 404, symbols=f"{BTC},DEMO:NOPE", interval="1m")
    assert "DEMO:NOPE" in reader.get(URL, {"symbols": "DEMO:NOPE", "interval": "1m"}).json()["detail"]


@pytest.mark.parametrize("cursor", ["", "x", "e30", "bnVsbA", "eyJzeW1ib2xzIjpbMV19"])
def test_a_cursor_that_we_did_not_make_is_refused(reader, cursor):
    assert "cursor" in problems(reader, cursor=cursor)


def test_a_start_after_the_end_is_refused(reader):
    assert "start" in problems(reader, symbols=BTC, interval="1m", start="now", end="-1d")


def test_without_a_session_nothing_is_told(client, registered):
    assert client.get(URL, {"symbols": BTC, "interval": "1m"}).status_code in (401, 403)


def test_an_unchanged_answer_is_a_304_and_a_change_of_the_series_ends_that(reader, store):
    store(btc=minutes(0, 1))
    parameters = {"symbols": BTC, "interval": "1m", "start": "2026-01-05", "end": "2026-01-06"}
    for _ in range(2):  # a minute may begin between two requests, once
        first = reader.get(URL, parameters)
        again = reader.get(URL, parameters, headers={"If-None-Match": first["ETag"]})
        if again.status_code == 304:
            break
    assert (again.status_code, again.content) == (304, b"")
    store(btc=minutes(2))
    changed = reader.get(URL, parameters, headers={"If-None-Match": first["ETag"]})
    assert (changed.status_code, len(changed.json()["bars"])) == (200, 3)
    assert changed.json()["meta"]["data_version"] != first.json()["meta"]["data_version"]


def test_the_schema_is_complete(db, tmp_path):
    path = tmp_path / "schema.json"
    call_command("spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", "--file", str(path))
    schema = json.loads(path.read_text())
    assert "/api/v1/bars" in schema["paths"]
    assert set(re.findall(r"#/components/schemas/(\w+)", path.read_text())) == set(schema["components"]["schemas"])

"""GET /api/v1/bars at the edges: of ranges, of pages, of what is known. And how fresh it says that it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.interval import Interval
from marketdata import freshness
from marketdata.collections import SERIES
from marketdata.learning import note_asked, note_reason
from marketdata.repository import BarRepository
from symbols.models import Symbol
from tests.marketdata.builders import START, bar
from tests.marketdata.conftest import BTC, ETH

URL = "/api/v1/bars"


def ask(reader, **parameters):
    answer = reader.get(URL, {"symbols": BTC, "interval": "1m", "order": "asc"} | parameters)
    assert answer.status_code == 200, answer.content
    return answer.json()


def minutes(answer):
    return [(datetime.fromisoformat(row["open_time"]) - START) // timedelta(minutes=1) for row in answer["bars"]]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-01-05T00:01:00Z", "2026-01-05T00:03:00Z", [1, 2]),
        ("2026-01-05T00:01:00Z", "2026-01-05T00:03:00.001Z", [1, 2, 3]),  # the end is later than the key
        ("2026-01-05T00:00:59.999Z", "2026-01-05T00:02:00Z", [1]),
        ("2026-01-05T00:01:00.001Z", "2026-01-05T00:03:00Z", [2]),
        ("2026-01-05T00:01:00Z", "2026-01-05T00:01:00Z", []),
        ("2026-01-06", "2026-01-07", []),
        ("0001-01-03", "9999-12-30", [0, 1, 2, 3]),
        ("2100-01-01", None, []),
        (None, "2026-01-05", []),
        (None, "2026-01-05T00:02:00Z", [0, 1]),
        ("-100y", "now", [0, 1, 2, 3]),
    ],
)
def test_the_start_is_included_and_the_end_is_not(reader, store, start, end, expected):
    store(btc=[bar(n) for n in range(4)])
    asked = {name: moment for name, moment in (("start", start), ("end", end)) if moment}
    assert minutes(ask(reader, **asked)) == expected
    assert minutes(ask(reader, **asked, order="desc")) == expected[::-1]


def test_an_end_in_the_future_expects_nothing_of_the_future(reader, store):
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    store(btc=[bar(open_time=now - timedelta(minutes=n)) for n in range(10, 2, -1)])
    meta = ask(reader, start=(now - timedelta(minutes=10)).isoformat(), end="2100-01-01")["meta"]
    assert (meta["expected"], meta["missing"]) == (8, [])


@pytest.mark.parametrize(("order", "expected"), [("desc", [2, 1]), ("asc", [1, 2]), ("from", [2, 3])])
def test_an_offset_skips_bars_and_the_next_page_goes_on_from_there(reader, store, order, expected):
    store(btc=[bar(n) for n in range(5)])
    asked = {"order": "asc", "start": "2026-01-05"} if order == "from" else {"order": order}
    answer = ask(reader, offset=2, limit=2, **asked)
    assert minutes(answer) == expected
    assert answer["meta"]["expected"] == 2
    assert minutes(reader.get(answer["next"]).json()) == ([4] if order == "from" else [0])
    for name in ("csv", "ndjson"):
        streamed = reader.get(URL, {"symbols": BTC, "interval": "1m", "offset": 2, "limit": 2, "format": name} | asked)
        assert b"".join(streamed.streaming_content).count(b"2026-01-05T") == 2


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("name", ["json", "csv"])
def test_an_offset_beyond_the_last_bar_is_an_empty_page(reader, store, order, name):
    store(btc=[bar(n) for n in range(5)])
    for start in ({}, {"start": "2026-01-05"}):
        asked = {"symbols": BTC, "interval": "1m", "offset": 5, "order": order, "format": name} | start
        answer = reader.get(URL, asked)
        data = answer.content if name == "json" else b"".join(answer.streaming_content)
        assert (answer.status_code, b"2026-01-05T00:0" in data.partition(b"meta")[0]) == (200, False)
        assert "Link" not in answer


def test_offsets_of_several_symbols_count_them_together(reader, store, registered):
    store(btc=[bar(0), bar(1)], eth=[bar(n, instrument=registered[1]) for n in (0, 1)])
    answer = ask(reader, symbols=f"{BTC},{ETH}", offset=1, limit=2, start="2026-01-05")
    assert [(row["symbol"], minute) for row, minute in zip(answer["bars"], minutes(answer), strict=True)] == [
        (ETH, 0),
        (BTC, 1),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [("offset", "-1"), ("offset", "10001"), ("fill", "linear"), ("include_forming", "maybe"), ("limit", "٣")],
)
def test_what_a_parameter_does_not_know_is_refused(reader, registered, name, value):
    answer = reader.get(URL, {"symbols": BTC, "interval": "1m", name: value})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [name]


def test_a_parameter_and_its_alias_together_are_refused(reader, registered):
    answer = reader.get(URL, {"symbols": BTC, "symbol": BTC, "interval": "1m", "timeframe": "1m"})
    assert {error["field"] for error in answer.json()["errors"]} == {"symbol", "timeframe"}


def test_symbols_of_different_calendars_are_each_expected_by_their_own(reader, store, registered):
    Symbol.objects.filter(code=ETH).update(calendar="XNYS")
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 9)]  # the 1st a holiday, 3rd and 4th a weekend
    is_open = [day for day in days if day.day not in (1, 3, 4)]
    store(
        btc=[bar(open_time=day, interval=Interval.D1) for day in days[:-1]],
        eth=[bar(open_time=day, interval=Interval.D1, instrument=registered[1]) for day in is_open[1:]],
        interval=Interval.D1,
    )
    answer = ask(reader, symbols=f"{BTC},{ETH}", interval="1d", start="2026-01-01", end="2026-01-09")
    assert (answer["meta"]["expected"], answer["meta"]["returned"]) == (8 + 5, 7 + 4)
    assert [(gap["symbol"], gap["start"], gap["bars"]) for gap in answer["meta"]["missing"]] == [
        (BTC, "2026-01-08T00:00:00Z", 1),
        (ETH, "2026-01-02T00:00:00Z", 1),
    ]


def test_a_page_says_whether_more_bars_lie_in_the_range(reader, store):
    store(btc=[bar(n) for n in range(3)])
    for limit, truncated in ((2, True), (3, False), (4, False)):
        answer = ask(reader, limit=limit)
        assert (answer["meta"]["truncated"], answer["next"] is not None) == (truncated, truncated)


def test_freshness_says_how_far_bars_reach_and_how_far_they_should(reader, store):
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    store(btc=[bar(open_time=now - timedelta(minutes=n)) for n in (30, 29)])
    behind = ask(reader)["meta"]["freshness"][0]
    assert (behind["symbol"], behind["is_current"]) == (BTC, False)
    assert datetime.fromisoformat(behind["last"]) == now - timedelta(minutes=29)
    expected = datetime.fromisoformat(behind["expected_last"])
    assert now - timedelta(minutes=4) <= expected <= now - timedelta(minutes=2)
    store(btc=[bar(open_time=now - timedelta(minutes=n)) for n in (5, 4, 3, 2, 1)])
    current = ask(reader)["meta"]["freshness"][0]
    assert current["is_current"] is True


def test_of_a_series_without_bars_freshness_says_just_that(reader, registered):
    fresh = ask(reader)["meta"]["freshness"][0]
    assert (fresh["last"], fresh["is_current"], fresh["updated_at"]) == (None, False, None)


def test_of_a_series_emptied_of_its_bars_freshness_says_when_and_no_last_bar(reader, store, registered, mongo_database):
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    store(btc=[bar(open_time=now - timedelta(minutes=n)) for n in range(5)])
    mongo_database[SERIES].update_many({}, {"$set": {"updated_at": START}})
    before = ask(reader)["meta"]["freshness"][0]
    assert (before["is_current"], before["updated_at"]) == (True, "2026-01-05T00:00:00Z")
    BarRepository(mongo_database).delete(registered[0], Interval.M1, None, None)
    answer = ask(reader)
    fresh = answer["meta"]["freshness"][0]
    assert (answer["bars"], fresh["last"], fresh["is_current"]) == ([], None, False)
    assert answer["meta"]["updated_at"] == fresh["updated_at"] > before["updated_at"]
    streamed = reader.get(URL, {"symbols": BTC, "interval": "1m", "format": "csv"})
    assert streamed["Content-Disposition"] == 'attachment; filename="DEMO-BTCUSD_1m.csv"'


@pytest.mark.parametrize(
    ("calendar", "interval", "at", "expected"),
    [
        ("24/7", "1m", "2026-01-05T00:10:00Z", "2026-01-05T00:07:00Z"),  # two minutes of grace
        ("24/7", "1M", "2026-01-05T00:10:00Z", "2025-12-01T00:00:00Z"),
        ("24/7", "1w", "2026-01-05T00:01:00Z", "2025-12-22T00:00:00Z"),
        ("XNYS", "1m", "2026-01-05T03:00:00Z", "2026-01-02T20:59:00Z"),
        ("XNYS", "1d", "2026-01-05T20:00:00Z", "2026-01-02T00:00:00Z"),
        ("XNYS", "1M", "2026-01-20T20:00:00Z", "2025-12-01T00:00:00Z"),
        ("XHKG", "1h", "2026-02-20T01:00:00Z", "2026-02-16T03:30:00Z"),  # a half-day before the new year
        ("XNYS", "1d", "1950-01-20T20:00:00Z", None),
    ],
)
def test_the_newest_bar_to_expect_follows_the_calendar(registered, calendar, interval, at, expected):
    Symbol.objects.filter(code=BTC).update(calendar=calendar)
    instrument = Symbol.objects.with_code(BTC).instrument()
    now = int(datetime.fromisoformat(at).timestamp())
    found = freshness.newest_expected(instrument, Interval(interval), now)
    moment = found and datetime.fromtimestamp(found.key, UTC)
    assert moment == (expected and datetime.fromisoformat(expected))


def test_a_delayed_feed_is_expected_to_be_late(registered):
    Symbol.objects.filter(code=BTC).update(delay_seconds=900)
    instrument = Symbol.objects.with_code(BTC).instrument()
    now = int(datetime(2026, 1, 5, 1, tzinfo=UTC).timestamp())
    found = freshness.newest_expected(instrument, Interval.M1, now)
    assert datetime.fromtimestamp(found.key, UTC) == datetime(2026, 1, 5, 0, 42, tzinfo=UTC)


def test_what_is_learned_of_absent_bars_makes_a_new_answer_though_no_bar_changed(
    reader, store, registered, mongo_database
):
    store(btc=[bar(0), bar(3)])
    parameters = {"symbols": BTC, "interval": "1m", "start": "2026-01-05", "end": "2026-01-05T00:04:00Z"}
    before = reader.get(URL, parameters)
    assert before.json()["meta"]["missing_bars"] == 2
    asked = START, START + timedelta(minutes=4)
    assert note_asked(mongo_database, registered[0], Interval.M1, *asked, asked_at=datetime.now(UTC)) == 2
    after = reader.get(URL, parameters, headers={"If-None-Match": before["ETag"]})
    assert after.status_code == 200
    assert (after.json()["meta"]["missing_bars"], after.json()["meta"]["none_at_provider"]) == (0, 2)
    note_asked(mongo_database, registered[0], Interval.M1, *asked, asked_at=datetime.now(UTC))
    assert reader.get(URL, parameters, headers={"If-None-Match": after["ETag"]}).status_code == 304


def test_a_missing_range_says_why_and_until_when_it_can_be_had(reader, store, registered, mongo_database):
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    first = now - timedelta(minutes=30)
    store(btc=[bar(open_time=first + timedelta(minutes=n)) for n in (0, 1, 4, 9)])
    note_reason(
        mongo_database,
        registered[0],
        Interval.M1,
        first + timedelta(minutes=5),
        first + timedelta(minutes=9),
        "feed down",
    )
    meta = ask(reader, start=first.isoformat(), end=(first + timedelta(minutes=10)).isoformat())["meta"]
    assert [(gap["bars"], gap["reason"]) for gap in meta["missing"]] == [(2, "not asked"), (4, "feed down")]
    until = datetime.fromisoformat(meta["missing"][0]["recoverable_until"])
    assert timedelta(days=3) < until - now < timedelta(days=4)  # 5,000 minutes after the first of them


@pytest.mark.parametrize("name", ["json", "csv", "ndjson", "arrow", "parquet"])
def test_nanoseconds_that_fit_into_no_integer_are_refused(reader, registered, name):
    asked = {"symbols": BTC, "interval": "1M", "order": "asc", "fill": "zero", "format": name, "limit": 3}
    for start, status in (("1500-01-01", 400), ("2262-06-01", 400), ("1678-01-01", 200)):
        answer = reader.get(URL, asked | {"start": start, "time": "ns"})
        assert answer.status_code == status
        assert answer.streaming is False or b"".join(answer.streaming_content)
    assert reader.get(URL, asked | {"start": "1500-01-01", "time": "ms"}).status_code == 200

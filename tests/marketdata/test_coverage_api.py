"""``GET /api/v1/coverage`` and ``/api/v1/gaps``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from domain.interval import Interval
from marketdata import documents
from marketdata.collections import BARS, COVERAGE, SERIES
from marketdata.repository import BarRepository
from providers.demo import demo_instruments
from symbols.models import Symbol
from symbols.services import add_symbols
from tests.factories import bar as bar_of
from tests.marketdata.builders import bar

pytestmark = pytest.mark.django_db
BTC = "DEMO:BTCUSD"


@pytest.fixture
def reader(client: Client, mongo_database: Any) -> Client:
    add_symbols(demo_instruments())
    client.force_login(get_user_model().objects.create_user("reader"))
    return client


@pytest.fixture
def hours(reader: Client, mongo_database: Any) -> list[datetime]:
    """A hundred hours of BTC until three hours ago; returns their open times."""
    instrument = Symbol.objects.with_code(BTC).instrument()
    last = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    opens = [last - timedelta(hours=n) for n in range(100)][::-1]
    bars = [bar(0, instrument=instrument, interval=Interval.H1, open_time=moment) for moment in opens]
    BarRepository(mongo_database).save(instrument, Interval.H1, bars)
    return opens


def after(hours: list[datetime]) -> str:
    """The end of a range that holds all of them."""
    return f"{hours[-1] + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"


def get(reader: Client, path: str, **parameters: Any) -> Any:
    answer = reader.get(f"/api/v1/{path}", parameters)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_the_matrix_holds_every_symbol_at_every_interval(reader: Client, hours: list[datetime]) -> None:
    found = get(reader, "coverage", end=after(hours))
    count = Symbol.objects.count()
    assert (found["count"], len(found["results"]), found["next"]) == (count, count * 13, None)
    by_series = {(each["symbol"], each["interval"]): each for each in found["results"]}
    whole = by_series[BTC, "1h"]
    assert (whole["share"], whole["expected"], whole["stored"], whole["bars"]) == (1.0, 100, 100, 100)
    never = by_series["DEMO:ETHUSD", "1d"]
    assert (never["share"], never["first"], never["start"]) == (None, None, None)


def delete_by_hand(database: Any, hours: list[datetime]) -> None:
    symbol = Symbol.objects.with_code(BTC)
    keys = [documents.key(symbol.pk, Interval.H1, int(moment.timestamp())) for moment in hours]
    database[BARS].delete_many({"_id": {"$in": keys}})


def verify(reader: Client, **body: Any) -> Any:
    return reader.post("/api/v1/coverage/verify", body, content_type="application/json")


def test_bars_deleted_by_hand_are_exactly_the_gaps_once_it_is_verified(
    reader: Client, hours: list[datetime], mongo_database: Any
) -> None:
    delete_by_hand(mongo_database, [hours[n] for n in (10, 11, 50)])
    answer = verify(reader, symbols=[BTC], intervals=["1h"])
    assert answer.status_code == 200
    assert answer.json() == {
        "as_of": answer.json()["as_of"], "wrong": 3, "results": [{"symbol": BTC, "interval": "1h", "wrong": 3}]
    }  # fmt: skip
    assert verify(reader, symbols=[BTC]).json()["wrong"] == 0
    found = get(reader, "coverage", symbol=BTC, interval="1h", end=after(hours))
    [series] = found["results"]
    assert (series["missing"], series["stored"], series["bars"]) == (3, 97, 97)
    assert [(hole["start"], hole["bars"], hole["reason"]) for hole in found["holes"]] == [
        (f"{hours[10]:%Y-%m-%dT%H:%M:%SZ}", 2, "not asked"),
        (f"{hours[50]:%Y-%m-%dT%H:%M:%SZ}", 1, "not asked"),
    ]
    assert sum(day["expected"] - day["stored"] for day in found["days"]) == 3
    assert all(hole["recoverable_until"] for hole in found["holes"])


def test_of_a_long_series_the_last_days_are_listed_as_many_as_asked_for(reader: Client, mongo_database: Any) -> None:
    instrument = Symbol.objects.with_code(BTC).instrument()
    last = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
    for interval, opens in (("1d", last - timedelta(days=5_000)), ("1w", last - timedelta(weeks=500))):
        one = bar_of(f"{opens:%Y-%m-%d}", interval, symbol=BTC)
        BarRepository(mongo_database).save(instrument, one.interval, [one])
    end = last + timedelta(hours=12)

    def listed(**parameters: Any) -> list[str]:
        found = get(reader, "coverage", symbol=BTC, end=end.isoformat(), **parameters)
        assert all(day["date"] >= found["days_from"][:10] for day in found["days"])
        return [day["date"] for day in found["days"]]

    assert listed(interval="1d", days=3) == [f"{last - timedelta(days=n):%Y-%m-%d}" for n in (2, 1, 0)]
    assert len(listed(interval="1d")) == 120
    assert listed(interval="1d", days=0) == []
    assert len(listed(interval="1d", days=3_700)) == 3_700
    assert 49 <= len(listed(interval="1w", days=50)) <= 50
    start = (last - timedelta(days=1)).isoformat()
    assert listed(interval="1d", start=start) == [start[:10], f"{last:%Y-%m-%d}"]
    assert len(reader.get("/api/v1/coverage", {"symbol": BTC, "interval": "1d"}).content) < 20_000
    assert reader.get("/api/v1/coverage", {"symbol": BTC, "days": "3701"}).status_code == 400
    assert reader.get("/api/v1/gaps", {"symbol": BTC, "days": "3"}).status_code == 400


@pytest.mark.parametrize(
    ("path", "parameters", "is_too_much"),
    [
        ("coverage", {"symbol": BTC, "interval": "1m", "start": "0002-01-01"}, True),
        ("coverage", {"interval": "1M", "start": "1990-01-01"}, False),
        ("coverage", {"interval": "1m", "start": "1990-01-01"}, True),
        ("coverage", {"symbol": BTC, "interval": "1m", "start": "-3650d"}, False),
        ("gaps", {"start": "1990-01-01"}, True),
        ("gaps", {"symbol": BTC, "interval": "1h", "start": "1990-01-01"}, False),
        ("gaps", {"symbol": BTC, "interval": "1m", "start": "1900-01-01", "end": "1900-02-01"}, False),
    ],
)
def test_a_range_that_would_be_counted_for_minutes_is_refused(
    reader: Client, path: str, parameters: dict[str, str], is_too_much: bool
) -> None:
    answer = reader.get(f"/api/v1/{path}", parameters)
    assert answer.status_code == (400 if is_too_much else 200)
    if is_too_much:
        assert "too many at once; choose a later start, or fewer symbols" in answer.json()["detail"]


def test_only_the_range_that_was_asked_for_is_verified(
    reader: Client, hours: list[datetime], mongo_database: Any
) -> None:
    instrument = Symbol.objects.with_code(BTC).instrument()
    old = bar(0, instrument=instrument, interval=Interval.H1, open_time=hours[0] - timedelta(days=200))
    BarRepository(mongo_database).save(instrument, Interval.H1, [old])
    delete_by_hand(mongo_database, [old.open_time, hours[-1]])
    asked = {"symbols": [BTC], "intervals": ["1h"], "start": hours[0].isoformat()}
    assert [verify(reader, **asked).json()["wrong"] for _ in range(2)] == [1, 0]
    assert verify(reader, symbols=[BTC], intervals=["1h"]).json()["wrong"] == 1


def test_looking_changes_nothing(reader: Client, hours: list[datetime], mongo_database: Any) -> None:
    delete_by_hand(mongo_database, hours[10:12])
    before = [list(mongo_database[name].find()) for name in (SERIES, COVERAGE)]
    found = get(reader, "coverage", symbol=BTC, interval="1h", end=after(hours))
    assert found["results"][0]["missing"] == 0
    get(reader, "gaps", symbol=BTC)
    assert [list(mongo_database[name].find()) for name in (SERIES, COVERAGE)] == before
    for path in ("coverage", "gaps"):
        assert reader.get(f"/api/v1/{path}", {"symbol": BTC, "verify": "true"}).status_code == 400
    assert reader.get("/api/v1/coverage/verify").status_code == 405


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "symbols"),
        ({"symbols": []}, 400, "symbols"),
        ({"symbols": [BTC], "interval": "1h"}, 400, "intervals"),
        ({"symbols": [BTC], "intervals": ["7m"]}, 400, "7m"),
        ({"symbols": [BTC], "start": "now", "end": "-1d"}, 400, "start is after end"),
        ({"symbols": ["DEMO:NOBODY"]}, 404, "not registered"),
        ({"symbols": [one.symbol for one in demo_instruments()]}, 400, "choose fewer"),
    ],
)
def test_what_cannot_be_verified_says_why(reader: Client, body: dict[str, Any], status: int, words: str) -> None:
    answer = verify(reader, **body)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert words in answer.json()["detail"]


def test_gaps_come_with_the_nearest_deadline_first(reader: Client, hours: list[datetime], mongo_database: Any) -> None:
    symbol = Symbol.objects.with_code(BTC)
    repository = BarRepository(mongo_database)
    first = hours[-3]
    minutes = [first + timedelta(minutes=n) for n in range(121) if n != 100]
    bars = [bar(0, instrument=symbol.instrument(), open_time=moment) for moment in minutes]
    repository.save(symbol.instrument(), Interval.M1, bars)
    repository.delete(symbol.instrument(), Interval.H1, hours[20], hours[22])
    end = after(hours)
    found = get(reader, "gaps", symbol=BTC, end=end)
    assert [(each["interval"], each["bars"]) for each in found["results"]] == [("1m", 1), ("1h", 2)]
    page = get(reader, "gaps", symbol=BTC, end=end, limit=1)
    assert (page["count"], len(page["results"])) == (2, 1)
    assert reader.get(page["next"]).json()["results"][0]["interval"] == "1h"


def test_symbols_come_a_page_at_a_time(reader: Client) -> None:
    found = get(reader, "coverage", interval="1d", limit=2)
    assert len(found["results"]) == 2
    following = reader.get(found["next"]).json()
    assert {each["symbol"] for each in following["results"]}.isdisjoint({each["symbol"] for each in found["results"]})


@pytest.mark.parametrize(
    ("parameters", "status", "words"),
    [
        ({"interval": "7m"}, 400, "interval"),
        ({"limit": "0"}, 400, "limit"),
        ({"limit": "9" * 400}, 400, "limit"),
        ({"start": "2026-01-05T14:30"}, 400, "zone"),
        ({"start": "now", "end": "-1d"}, 400, "start is after end"),
        ({"symbls": BTC}, 400, "symbols"),
        ({"symbol": "DEMO:NOBODY"}, 404, "not registered"),
    ],
)
@pytest.mark.parametrize("path", ["coverage", "gaps"])
def test_what_cannot_be_asked_says_why(
    reader: Client, path: str, parameters: dict[str, str], status: int, words: str
) -> None:
    answer = reader.get(f"/api/v1/{path}", parameters)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert words in answer.json()["detail"]


def test_strangers_are_told_nothing(client: Client) -> None:
    assert client.get("/api/v1/coverage").status_code == 401
    assert client.get("/api/v1/gaps").status_code == 401
    assert verify(client, symbols=[BTC]).status_code == 401

"""Whatever is asked of the bars API, it answers with bars or says what is wrong: never a 5xx."""

from __future__ import annotations

import base64

import orjson
import pytest
from django.contrib.auth import get_user_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.columns import FIELDS
from marketdata.formats import FORMATS
from marketdata.repository import BarRepository
from symbols.services import add_symbol
from tests.marketdata.builders import bar

BTC, ETH = "DEMO:BTCUSD", "DEMO:ETHUSD"
TEXT = st.text(max_size=20)
MOMENTS = st.one_of(
    st.sampled_from(["0001-01-02", "9999-12-30", "now", "2026-01-05", "2026-01-05T00:02:00Z", "1767571320"]),
    st.integers(-(10**20), 10**20).map(str),
    st.datetimes().map(str),
    st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    st.builds(lambda count, unit: f"-{count}{unit}", st.integers(0, 10**7), st.sampled_from("smhdwMy")),
)


def mostly(words: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """One wrong word makes the whole question wrong, so most have to be right."""
    return st.sampled_from([True] * 15 + [False]).flatmap(lambda is_right: words if is_right else TEXT)


PARAMETERS = st.fixed_dictionaries(
    {
        "symbols": mostly(st.sampled_from([BTC, BTC, f"{BTC},{ETH}", "DEMO:NOPE"])),
        "interval": st.sampled_from([*Interval, *[Interval.M1] * 8]),
    },
    optional={
        "start": mostly(MOMENTS),
        "end": mostly(MOMENTS),
        "limit": mostly(st.sampled_from([1, 2, 3, 10, 200]).map(str)),
        "order": mostly(st.sampled_from(["asc", "desc"])),
        "shape": mostly(st.sampled_from(["rows", "rows", "columns"])),
        "time": mostly(st.sampled_from(["iso", "s", "ms", "ns"])),
        "offset": mostly(st.integers(0, 10_000).map(str)),
        "fields": mostly(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4).map(",".join)),
        "fill": mostly(st.sampled_from(["none", "zero", "ffill"])),
        "include_forming": mostly(st.sampled_from(["true", "false"])),
        "format": mostly(st.sampled_from([*FORMATS, *FORMATS, "api"])),
    },
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXT | st.just(BTC),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
GOOD = {"symbols": [BTC], "interval": "1m", "after": [1_767_571_200, 0]}
CURSORS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        (
            *("symbols", "interval", "start", "end", "limit", "offset", "order", "shape", "time", "after"),
            *("fields", "fill", "include_forming"),
        ),
        VALUES,
    ),
)


@pytest.fixture
def reader(client, db, mongo_database, monkeypatch):
    monkeypatch.setattr("marketdata.mongo._databases", {})
    for code in (BTC, ETH):
        symbol, _ = add_symbol(code=code, details=Instrument(symbol=code, provider="demo"), streaming=False)
        instrument = symbol.instrument()
        for interval in (Interval.M1, Interval.H1, Interval.D1):
            bars = [bar(n, instrument=instrument, interval=interval) for n in (0, 1, 2, 4, 9)]
            BarRepository(mongo_database).save(instrument, interval, bars)
    client.force_login(get_user_model().objects.create_user("reader"))
    return client


def check(answer):
    assert answer.status_code in (200, 400, 404), answer.content
    kind = answer["Content-Type"].partition(";")[0]
    if answer.status_code != 200:
        assert kind in ("application/problem+json", "text/html")
    elif answer.streaming:
        assert kind in {found.media_type for found in FORMATS.values() if found.is_streamed}
        assert b"".join(answer.streaming_content) or kind == "application/x-ndjson"
    else:
        assert kind in ("application/json", "text/html")
        assert kind == "text/html" or orjson.loads(answer.content)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parameters=PARAMETERS)
def test_any_parameters(reader, parameters):
    check(reader.get("/api/v1/bars", parameters))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CURSORS)
def test_any_cursor(reader, changes):
    cursor = base64.urlsafe_b64encode(orjson.dumps(GOOD | changes)).decode().rstrip("=")
    check(reader.get("/api/v1/bars", {"cursor": cursor}))

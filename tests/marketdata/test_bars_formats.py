"""GET /api/v1/bars as CSV, NDJSON, Parquet and Arrow: the same bars in each, streamed, named, and with their next page."""

from __future__ import annotations

import csv
import gzip
import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pyarrow
import pytest
from django.utils import timezone
from pyarrow import parquet

from domain.errors import StoreUnavailable
from domain.interval import Interval
from marketdata.columns import EXPORTED, FIELDS
from marketdata.meta_header import MOST_BYTES
from marketdata.query import parse_cursor
from marketdata.repository import BarRepository
from tests.marketdata.builders import START, bar, streamed
from tests.marketdata.conftest import BTC, ETH

URL = "/api/v1/bars"
MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}
STREAMED = [name for name in MEDIA_TYPES if name != "json"]


def body(answer):
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def moment(text):
    return datetime.fromisoformat(text)


def parsed(name, data):
    """The rows of an answer as dicts with the types of an Arrow table."""
    if name == "arrow":
        return pyarrow.ipc.open_stream(data).read_all().to_pylist()
    if name == "parquet":
        return parquet.read_table(io.BytesIO(data)).to_pylist()
    if name == "csv":
        return [_typed(row) for row in csv.DictReader(io.StringIO(data.decode()))]
    rows = orjson.loads(data)["bars"] if name == "json" else [orjson.loads(line) for line in data.splitlines()]
    return [row | {key: moment(row[key]) for key in ("open_time", "close_time") if key in row} for row in rows]


def _typed(row):
    words = {"": None, "true": True, "false": False}
    kinds = {"open_time": moment, "close_time": moment, "trades": int, "revision": int} | dict.fromkeys(
        ("open", "high", "low", "close", "volume"), float
    )
    return {key: words[text] if text in words else kinds.get(key, str)(text) for key, text in row.items()}


def ask(reader, **parameters):
    return reader.get(URL, {"symbols": BTC, "interval": "1m"} | parameters)


def nexts(answer):
    found = re.fullmatch(r'<(.*)>; rel="next"', answer.headers.get("Link", ""))
    return found and found[1]


@pytest.fixture
def varied(store, registered):
    """Bars of all kinds of two symbols."""
    odd = bar(3, open=0.1 + 0.2, high=1e300, low=5e-324, close=1 / 3, volume=123456789.12345679)
    store(
        btc=[bar(0), streamed(1), streamed(2, partial=True, trades=None), odd],
        eth=[bar(n, instrument=registered[1]) for n in (1, 2, 5)],
    )


@pytest.mark.parametrize("name", STREAMED)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_every_format_carries_the_same_bars_to_the_last_bit(reader, varied, name, order):
    asked = {
        "symbols": f"{BTC},{ETH}",
        "fields": ",".join(FIELDS),
        "order": order,
        "fill": "ffill",
        "end": "2026-01-05T00:07:00Z",
    }
    expected = parsed("json", body(ask(reader, **asked)))
    assert len(expected) == 13
    assert expected == parsed(name, body(ask(reader, format=name, **asked)))


@pytest.mark.parametrize("name", STREAMED)
def test_an_empty_answer_still_has_its_columns(reader, registered, name):
    data = body(ask(reader, format=name))
    assert parsed(name, data) == []
    if name == "csv":
        assert data == b"symbol,open_time,open,high,low,close,volume\n"
    if name in ("arrow", "parquet"):
        table = pyarrow.ipc.open_stream(data) if name == "arrow" else parquet.ParquetFile(io.BytesIO(data))
        schema = table.schema if name == "arrow" else table.schema_arrow
        assert schema.field("open_time").type == pyarrow.timestamp("ms", tz="UTC")
        assert schema.field("close").type == pyarrow.float64()


@pytest.mark.parametrize("name", MEDIA_TYPES)
@pytest.mark.parametrize("order", ["asc", "desc", "from"])
@pytest.mark.parametrize("fill", ["none", "zero"])
def test_every_page_of_every_format_is_reached_through_its_link_and_no_bar_comes_twice(
    reader, varied, name, order, fill
):
    asked = {"symbols": f"{BTC},{ETH}", "limit": 2, "format": name, "fill": fill, "end": "2026-01-05T00:07:00Z"}
    asked |= {"order": "asc", "start": "2026-01-05"} if order == "from" else {"order": order}
    answer, found = ask(reader, **asked), []
    while True:
        page = [(row["open_time"], row["symbol"]) for row in parsed(name, body(answer))]
        found = page + found if order == "asc" else found + page
        if not (address := nexts(answer)):
            break
        assert f"format={name}" in address
        answer = reader.get(address)
    places = [
        (one["open_time"], one["symbol"])
        for one in parsed("json", body(ask(reader, **asked | {"format": "json", "limit": 100})))
    ]
    assert found == places
    assert len(found) == len(set(found)) >= 7


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_the_header_accept_chooses_the_format_and_the_parameter_overrides_it(reader, varied, name):
    by_header = reader.get(URL, {"symbols": BTC, "interval": "1m"}, headers={"Accept": MEDIA_TYPES[name]})
    by_parameter = reader.get(
        URL, {"symbols": BTC, "interval": "1m", "format": name}, headers={"Accept": "application/json;q=0.1, text/csv"}
    )
    assert (
        by_header["Content-Type"].partition(";")[0]
        == by_parameter["Content-Type"].partition(";")[0]
        == MEDIA_TYPES[name]
    )
    assert parsed(name, body(by_header)) == parsed(name, body(by_parameter))
    assert "Accept" in by_header["Vary"]


def test_what_cannot_be_given_is_refused_in_json_whatever_was_asked_for(reader, registered):
    for parameters, headers, status in [
        ({"format": "xlsx"}, {}, 400),
        ({}, {"Accept": "image/png"}, 406),
        ({"format": "parquet", "limit": "0"}, {}, 400),
        ({"limit": "x"}, {"Accept": "text/csv"}, 400),
    ]:
        answer = reader.get(URL, {"symbols": BTC, "interval": "1m"} | parameters, headers=headers)
        assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
        assert answer.json()["status"] == status
    assert "json, csv, ndjson, parquet, arrow" in ask(reader, format="xlsx").json()["detail"]


def test_people_see_the_bars_in_the_browsable_api(reader, varied):
    page = reader.get(URL, {"symbols": BTC, "interval": "1m"}, headers={"Accept": "text/html"})
    assert page["Content-Type"].startswith("text/html")
    assert "2026-01-05T00:03:00Z" in page.content.decode()
    assert ask(reader, format="api")["Content-Type"].startswith("text/html")
    wrong = reader.get(URL, {"symbols": BTC, "interval": "7m"}, headers={"Accept": "text/html"})
    assert (wrong.status_code, wrong["Content-Type"].partition(";")[0]) == (400, "text/html")


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_a_file_is_named_after_what_is_in_it(reader, varied, name):
    answer = ask(reader, format=name, start="2026-01-05", end="2026-03-01")
    kind = "inline" if name == "json" else "attachment"
    assert answer["Content-Disposition"] == f'{kind}; filename="DEMO-BTCUSD_1m_2026-01-05_2026-03-01.{name}"'
    several = ask(reader, symbols=f"{BTC},{ETH}", format=name)["Content-Disposition"]
    assert several == f'{kind}; filename="DEMO-BTCUSD+1_1m_2026-01-05_2026-01-05.{name}"'


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_head_tells_the_same_headers_and_sends_nothing(reader, varied, name):
    parameters = {"symbols": BTC, "interval": "1m", "format": name, "limit": 2}
    got, head = reader.get(URL, parameters), reader.head(URL, parameters)
    assert head.status_code == 200
    assert b"".join(head.streaming_content if head.streaming else [head.content]) == b""
    skipped = {"X-Request-ID"}
    assert {k: v for k, v in head.items() if k not in skipped} == {k: v for k, v in got.items() if k not in skipped}
    assert head["ETag"]
    assert 'rel="next"' in head["Link"]


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_an_unchanged_answer_of_any_format_is_a_304_with_a_tag_of_its_own(reader, varied, name, monkeypatch):
    now = timezone.now()  # each minute another bar is expected, which is another answer
    monkeypatch.setattr(timezone, "now", lambda: now)
    answer = ask(reader, format=name)
    again = reader.get(
        URL, {"symbols": BTC, "interval": "1m", "format": name}, headers={"If-None-Match": answer["ETag"]}
    )
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", answer["ETag"])
    tags = {ask(reader, format=other)["ETag"] for other in MEDIA_TYPES}
    assert len(tags) == len(MEDIA_TYPES)


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        ("application/json;q=0.5, text/csv", "csv"),
        ("text/csv;q=0.1, application/*;q=0.2", "json"),
        ("text/csv;q=0, */*", "json"),
        ("", "json"),
    ],
)
def test_of_several_media_types_the_one_that_is_wanted_most_is_given(reader, store, accept, name):
    store(btc=[bar(0)])
    answer = reader.get(URL, {"symbols": BTC, "interval": "1m"}, headers={"Accept": accept})
    assert answer["Content-Type"].partition(";")[0] == MEDIA_TYPES[name]


@pytest.mark.parametrize(
    ("known", "status"),
    [
        ("{tag}", 304),
        ("W/{tag}", 304),
        ('"other",{tag}', 304),
        ('W/"other" ,\tW/{tag}', 304),
        ("*", 304),
        ('"other", W/"another"', 200),
        ("{bare}", 200),  # without quotes it is no tag
        ('"*"', 200),
        ("", 200),
    ],
)
def test_what_the_caller_has_is_compared_weakly_among_as_many_as_it_names(reader, varied, known, status):
    tag = ask(reader)["ETag"]
    asked = {"If-None-Match": known.format(tag=tag, bare=tag.strip('"'))}
    assert reader.get(URL, {"symbols": BTC, "interval": "1m"}, headers=asked).status_code == status


@pytest.mark.parametrize("name", ["json", "csv", "ndjson"])
def test_text_is_gzipped_for_those_who_take_it_and_has_another_tag_then(reader, store, name):
    store(btc=[bar(n) for n in range(50)])
    plain = ask(reader, format=name)
    text = body(plain)
    for accepts in ("gzip", "br, gzip;q=0.8", "*"):
        packed = reader.get(
            URL, {"symbols": BTC, "interval": "1m", "format": name}, headers={"Accept-Encoding": accepts}
        )
        assert packed["Content-Encoding"] == "gzip"
        unpacked = gzip.decompress(body(packed))
        assert unpacked == text
        assert parsed(name, unpacked)[0]["open_time"] == START + timedelta(minutes=49)
        assert packed["ETag"] != plain["ETag"]
    for refuses in ("gzip;q=0", "br", "gzip; q=0.0, br", ""):
        answer = reader.get(
            URL, {"symbols": BTC, "interval": "1m", "format": name}, headers={"Accept-Encoding": refuses}
        )
        assert "Content-Encoding" not in answer
    assert "Accept-Encoding" in plain["Vary"]


def test_gzip_is_left_out_where_it_gains_nothing(reader, store):
    store(btc=[bar(0)])
    few = reader.get(URL, {"symbols": BTC, "interval": "1m", "fields": "close"}, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in few
    for name in ("arrow", "parquet"):
        binary = reader.get(
            URL, {"symbols": BTC, "interval": "1m", "format": name}, headers={"Accept-Encoding": "gzip"}
        )
        assert "Content-Encoding" not in binary


def test_only_the_fields_that_were_asked_for_come_in_their_order(reader, varied):
    assert body(ask(reader, format="csv", fields="close,open_time", limit=1, order="asc", start="2026-01-05")) == (
        b"close,open_time\n100.5,2026-01-05T00:00:00Z\n"
    )
    assert list(ask(reader, fields="trades, state").json()["bars"][0]) == ["trades", "state"]
    columns = ask(reader, fields="close_time,partial", shape="columns", time="s").json()["bars"]
    assert columns == {
        "close_time": [int(START.timestamp()) + 60 * n for n in (4, 3, 2, 1)],
        "partial": [False, True, False, False],
    }


def test_an_unknown_field_is_told_with_the_nearest(reader, registered):
    for fields, word in (("closs", "'close'"), ("", "symbol"), (",", "symbol")):
        answer = ask(reader, fields=fields)
        assert answer.status_code == 400
        assert word in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize(("time", "unit"), [("iso", "ms"), ("s", "s"), ("ms", "ms"), ("ns", "ns")])
def test_times_of_typed_formats_are_instants_in_the_unit_that_was_asked_for(reader, varied, time, unit):
    table = pyarrow.ipc.open_stream(body(ask(reader, format="arrow", time=time, order="asc"))).read_all()
    assert table.schema.field("open_time").type == pyarrow.timestamp(unit, tz="UTC")
    assert table["open_time"].to_pylist()[0] == START


def test_times_of_text_are_numbers_where_that_was_asked_for(reader, varied):
    seconds = int(START.timestamp())
    lines = body(ask(reader, format="csv", time="ms", fields="open_time", order="asc")).split()
    assert lines[1] == str(seconds * 1000).encode()
    line = body(ask(reader, format="ndjson", time="ns", fields="open_time", order="asc")).splitlines()[0]
    assert orjson.loads(line) == {"open_time": seconds * 10**9}


@pytest.mark.parametrize("name", STREAMED)
def test_a_streamed_answer_says_how_complete_and_fresh_it_is(reader, varied, name):
    answer = ask(reader, format=name, start="2026-01-05", end="2026-01-05T00:06:00Z", order="asc", limit=2)
    meta = orjson.loads(answer["X-PocketQuant-Meta"])
    assert (meta["interval"], meta["expected"], meta["returned"], meta["truncated"]) == ("1m", 2, 2, True)
    assert (meta["includes_forming"], meta["provider"], len(meta["data_version"])) == (False, "demo", 12)
    (fresh,) = meta["freshness"]
    assert (fresh["last"], fresh["is_current"]) == ("2026-01-05T00:03:00Z", False)
    data = body(answer)
    if name in ("arrow", "parquet"):
        schema = pyarrow.ipc.open_stream(data).schema if name == "arrow" else parquet.read_schema(io.BytesIO(data))
        assert orjson.loads(schema.metadata[b"pocketquant"]) | {"omitted": {}} == meta


@pytest.mark.parametrize("name", STREAMED)
def test_what_is_too_much_for_a_header_is_cut_and_counted_and_stands_whole_in_the_file(reader, store, name):
    store(btc=[bar(2 * n) for n in range(301)])
    answer = ask(reader, format=name, end=bar(601).open_time.isoformat())
    assert len(answer["X-PocketQuant-Meta"]) <= MOST_BYTES
    meta = orjson.loads(answer["X-PocketQuant-Meta"])
    assert (meta["missing_bars"], meta["missing_omitted"], len(meta["missing"])) == (300, 100, 6)
    assert meta["omitted"] == {"missing": 194}
    if name in ("arrow", "parquet"):
        data = body(answer)
        schema = pyarrow.ipc.open_stream(data).schema if name == "arrow" else parquet.read_schema(io.BytesIO(data))
        whole = orjson.loads(schema.metadata[b"pocketquant"])
        assert len(whole["missing"]) == 200
        assert whole["missing"][:6] == meta["missing"]


def test_more_bars_at_once_are_for_streamed_formats_only(reader, registered):
    for name in STREAMED:
        assert ask(reader, format=name, limit=100_000).status_code == 200
        assert ask(reader, format=name, limit=100_001).status_code == 400
    assert ask(reader, limit=10_001).status_code == 400


def test_a_cursor_of_a_streamed_format_asks_for_no_more_in_json_than_json_gives(reader, store):
    store(btc=[bar(n) for n in range(3)])
    address = nexts(ask(reader, format="csv", limit=2))
    assert reader.get(address.replace("format=csv", "format=json")).status_code == 200
    cursor = address.partition("cursor=")[2].partition("&")[0]
    large = parse_cursor(cursor, 100_000)
    answer = reader.get(URL, {"cursor": replace(large, limit=50_000).cursor(large.after)})
    assert answer.status_code == 400
    assert "10000" in answer.json()["detail"]


def test_columns_are_a_shape_of_json_only(reader, registered):
    assert "shape" in {e["field"] for e in ask(reader, shape="columns", format="csv").json()["errors"]}


def test_many_bars_cross_the_edges_of_pieces_unharmed(reader, store):
    count = 11_234
    store(btc=[bar(n) for n in range(count)])
    for name in STREAMED:
        rows = parsed(name, body(ask(reader, format=name, limit=count, order="asc", start="2026-01-05")))
        assert [row["open_time"] for row in rows] == [START + timedelta(minutes=n) for n in range(count)]


def test_what_the_store_fails_to_give_in_the_middle_breaks_the_stream_and_is_not_taken_for_its_end(
    reader, store, monkeypatch
):
    """The first piece has gone out with status 200; only a broken connection can still tell."""
    store(btc=[bar(n) for n in range(6_000)])
    read = BarRepository.tables

    def failing(self, *args, **options):
        yield next(read(self, *args, **options))
        raise StoreUnavailable("gone")

    monkeypatch.setattr(BarRepository, "tables", failing)
    for name in STREAMED:
        answer = ask(reader, format=name, limit=10_000)
        taken = []
        with pytest.raises(StoreUnavailable):
            taken.extend(answer.streaming_content)
        assert taken
        if name == "parquet":
            with pytest.raises((pyarrow.ArrowException, OSError)):
                parsed(name, b"".join(taken))


def test_csv_holds_what_an_import_needs(reader, store):
    store(btc=[streamed(0), bar(1)])
    lines = body(ask(reader, format="csv", fields=",".join(EXPORTED), order="asc")).decode().splitlines()
    assert lines == [
        "symbol,interval,open_time,open,high,low,close,volume,trades,state,source,partial",
        "DEMO:BTCUSD,1m,2026-01-05T00:00:00Z,100.0,101.0,99.0,100.5,10.0,3,provisional,stream,false",
        "DEMO:BTCUSD,1m,2026-01-05T00:01:00Z,101.0,102.0,100.0,101.5,10.0,,final,history,false",
    ]


def test_months_and_years_before_1970_are_written_right(reader, store):
    old = datetime(1931, 5, 4, tzinfo=UTC)
    store(btc=[bar(open_time=old, interval=Interval.D1)], interval=Interval.D1)
    for name in MEDIA_TYPES:
        (row,) = parsed(name, body(ask(reader, interval="1d", format=name, fields="open_time,close_time")))
        assert (row["open_time"], row["close_time"]) == (old, old + timedelta(days=1))

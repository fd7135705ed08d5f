"""Rows made up for missing bars: only when asked for, each flagged, the same through every page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.interval import Interval
from marketdata.documents import Row
from marketdata.filling import Filling
from tests.marketdata.builders import START, bar
from tests.marketdata.conftest import BTC, ETH

URL = "/api/v1/bars"
M1 = Interval.M1


def ask(reader, **parameters):
    answer = reader.get(URL, {"symbols": BTC, "interval": "1m", "order": "asc"} | parameters)
    assert answer.status_code == 200, answer.content
    return answer.json()


def minute(n):
    return f"2026-01-05T00:{n:02}:00Z"


def told(answer):
    """(minute, close, volume, filled) of each row."""
    return [
        ((datetime.fromisoformat(row["open_time"]) - START) // timedelta(minutes=1), row["close"], row["volume"], row["filled"])
        for row in answer["bars"]
    ]  # fmt: skip


def test_without_asking_nothing_is_made_up(reader, store):
    store(btc=[bar(0), bar(3)])
    answer = ask(reader, start="2026-01-05", end=minute(5))
    assert len(answer["bars"]) == 2
    assert (answer["meta"]["filled"], "filled" in answer["bars"][0]) == (0, False)


def test_ffill_repeats_the_close_before_with_no_volume_and_flags_each_row(reader, store):
    store(btc=[bar(1), bar(3)])
    answer = ask(reader, start="2026-01-05", end=minute(6), fill="ffill")
    assert told(answer) == [
        (1, 101.5, 10, False),
        (2, 101.5, 0, True),
        (3, 103.5, 10, False),
        (4, 103.5, 0, True),
        (5, 103.5, 0, True),
    ]
    made_up = answer["bars"][1]
    assert made_up["open"] == made_up["high"] == made_up["low"] == made_up["close"]
    meta = answer["meta"]
    assert (meta["returned"], meta["filled"], meta["expected"]) == (5, 3, 6)
    assert sum(gap["bars"] for gap in meta["missing"]) == 4  # what is made up is still missing
    assert meta["sources"] == {"history": 2}


def test_zero_makes_rows_of_zeros_in_the_whole_range_that_was_asked_for(reader, store):
    store(btc=[bar(1), bar(3)])
    answer = ask(reader, start="2026-01-05", end=minute(5), fill="zero")
    assert told(answer) == [(0, 0, 0, True), (1, 101.5, 10, False), (2, 0, 0, True), (3, 103.5, 10, False), (4, 0, 0, True)]  # fmt: skip


def test_ffill_carries_a_close_from_before_the_range(reader, store):
    store(btc=[bar(0), bar(5)])
    assert told(ask(reader, start=minute(2), end=minute(4), fill="ffill")) == [(2, 100.5, 0, True), (3, 100.5, 0, True)]
    newest_first = ask(reader, start=minute(2), end=minute(4), fill="ffill", order="desc")
    assert told(newest_first) == [(3, 100.5, 0, True), (2, 100.5, 0, True)]


@pytest.mark.parametrize("fill", ["zero", "ffill"])
def test_without_a_start_nothing_is_made_up_before_the_first_bar(reader, store, fill):
    store(btc=[bar(2), bar(4)])
    rows = told(ask(reader, end=minute(6), fill=fill))
    assert [(n, filled) for n, _, _, filled in rows] == [(2, False), (3, True), (4, False), (5, True)]
    assert told(ask(reader, end=minute(6), fill=fill, limit=1, order="desc"))[0][0] == 5


@pytest.mark.timeout(20)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_two_thousand_years_in_which_nothing_can_be_repeated_are_not_looked_through(reader, store, order):
    store(btc=[bar(1), bar(3)])
    rows = told(ask(reader, start="0001-01-02", end=minute(5), fill="ffill", order=order))
    assert sorted((n, filled) for n, _, _, filled in rows) == [(1, False), (2, True), (3, False), (4, True)]
    assert told(ask(reader, symbols=ETH, start="0001-01-02", end=minute(5), fill="ffill", order=order)) == []


@pytest.mark.parametrize("interval", ["1m", "4h", "1d", "1w", "1M"])
def test_the_first_date_that_there_is_can_be_asked_for(reader, registered, interval):
    rows = ask(reader, interval=interval, start="0001-01-02", fill="zero", limit=3)["bars"]
    assert [row["filled"] for row in rows] == [True] * 3


@pytest.mark.parametrize("form", ["json", "csv"])
def test_of_a_long_range_only_the_rows_of_the_page_are_made_up(reader, store, monkeypatch, form):
    store(btc=[bar(0)])
    made, make_up = [], Filling._made_up
    monkeypatch.setattr(Filling, "_made_up", lambda self, key, before: made.append(key) or make_up(self, key, before))
    answer = reader.get(
        URL, {"symbols": BTC, "interval": "1m", "start": "2025-12-01", "fill": "zero", "limit": 10, "format": form}
    )
    assert b"".join(answer.streaming_content if answer.streaming else [answer.content]).count(b"\n") in (0, 11)
    assert 10 <= len(made) < 50


@pytest.mark.parametrize("fill", ["zero", "ffill"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_of_a_symbol_without_bars_only_zeros_can_be_made_up_and_only_from_a_start(reader, registered, fill, order):
    assert told(ask(reader, end=minute(3), fill=fill, order=order)) == []
    count = 3 if fill == "zero" else 0
    assert len(told(ask(reader, start=minute(0), end=minute(3), fill=fill, order=order))) == count


def test_the_running_bar_and_those_to_come_are_not_made_up(reader, store):
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    store(btc=[bar(open_time=now - timedelta(minutes=10))])
    rows = ask(reader, start="-11m", end="2100-01-01", fill="ffill")["bars"]
    last = datetime.fromisoformat(rows[-1]["open_time"])
    assert now - timedelta(minutes=4) <= last <= now - timedelta(minutes=2)


def test_a_closed_market_has_nothing_to_make_up(reader, store, registered, monkeypatch):
    from symbols.models import Symbol

    Symbol.objects.filter(code=BTC).update(calendar="forex")
    friday = datetime(2026, 1, 9, 21, 58, tzinfo=UTC)  # closes at 22:00 UTC until Sunday 22:00
    store(btc=[bar(open_time=friday)])
    asked = {"start": "2026-01-09T21:58:00Z", "end": "2026-01-11T22:03:00Z", "fill": "ffill"}
    for order in ("asc", "desc"):
        moments = sorted(row["open_time"] for row in ask(reader, **asked, order=order)["bars"])
        assert moments == [f"2026-01-{moment}:00Z" for moment in ("09T21:58", "09T21:59", "11T22:00", "11T22:01", "11T22:02")]  # fmt: skip


def test_several_symbols_are_filled_each_by_its_own(reader, store, registered):
    store(btc=[bar(0)], eth=[bar(1, instrument=registered[1], price=7.0)])
    rows = ask(reader, symbols=f"{BTC},{ETH}", start="2026-01-05", end=minute(3), fill="ffill")["bars"]
    assert [(row["symbol"], row["close"], row["filled"]) for row in rows] == [
        (BTC, 100.5, False),
        (BTC, 100.5, True),
        (ETH, 7.5, False),
        (BTC, 100.5, True),
        (ETH, 7.5, True),
    ]


@pytest.mark.parametrize("fill", ["zero", "ffill"])
@pytest.mark.parametrize("limit", [1, 2, 3, 50])
@pytest.mark.parametrize("order", ["asc", "desc", "from"])
def test_pages_of_any_size_make_up_the_same_rows(reader, store, registered, fill, limit, order):
    store(btc=[bar(n) for n in (2, 3, 7)], eth=[bar(n, instrument=registered[1]) for n in (4, 7, 8)])
    asked = {"symbols": f"{BTC},{ETH}", "fill": fill, "end": minute(10)}
    asked |= {"order": "asc", "start": minute(0)} if order == "from" else {"order": order}
    whole = [(row["open_time"], row["symbol"], row["close"], row["filled"]) for row in ask(reader, **asked)["bars"]]
    pages, answer = [], ask(reader, **asked, limit=limit)
    while True:
        pages.append([(row["open_time"], row["symbol"], row["close"], row["filled"]) for row in answer["bars"]])
        if answer["next"] is None:
            break
        answer = reader.get(answer["next"]).json()
    if order == "asc":
        pages.reverse()
    assert [row for page in pages for row in page] == whole
    assert len(whole) == (20 if (fill, order) == ("zero", "from") else 14)


KEYS = st.lists(st.integers(0, 60), max_size=20, unique=True).map(sorted)


@given(keys=KEYS, start=st.none() | st.integers(0, 60), end=st.integers(0, 61), how=st.sampled_from(["zero", "ffill"]))
def test_rows_are_made_up_alike_in_both_directions(keys, start, end, how):
    base = int(START.timestamp())
    rows = [Row(base + 60 * n, n, n, n, float(n), 1.0) for n in keys if (start or 0) <= n < end]

    def close_before(key):
        return next((float(n) for n in reversed(keys) if base + 60 * n < key), None)

    filling = Filling(
        how=how,
        calendar="24/7",
        interval=M1,
        start=None if start is None else base + 60 * start,
        end=base + 60 * end,
        until=base + 60 * 58,
        is_open=start is None,
        close_before=close_before,
    )
    upwards = list(filling.fill(iter(rows), None, newest_first=False))
    downwards = list(filling.fill(iter(rows[::-1]), None, newest_first=True))
    assert upwards == downwards[::-1]
    times = [row.open_time for row, _ in upwards]
    assert times == sorted(set(times))
    assert [row for row, is_filled in upwards if not is_filled] == rows
    for row, is_filled in upwards:
        if is_filled:
            assert row.close == (0.0 if how == "zero" else close_before(row.open_time))
    first = start if start is not None and (how == "zero" or close_before(base + 60 * start) is not None) else None
    first = min((n for n in keys if n >= (start or 0)), default=61) if first is None else first
    expected = {base + 60 * n for n in range(first, min(end, 58))} | {row.open_time for row in rows}
    assert set(times) == expected

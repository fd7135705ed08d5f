"""Which column holds what."""

from __future__ import annotations

import pytest

from domain.errors import InvalidRequest
from marketdata.files.layout import TimeIs, find_layout


def test_the_usual_names_are_understood_in_any_case_and_order() -> None:
    layout = find_layout(["Close", "Open Time", "HIGH", "low", "Vol", "open"])
    assert layout.time == 1
    assert layout.fields == {"close": 0, "high": 2, "low": 3, "volume": 4, "open": 5}
    assert layout.time_is is TimeIs.START


@pytest.mark.parametrize(
    ("name", "time_is", "is_local"),
    [
        ("time", TimeIs.START, False),
        ("date", TimeIs.START, False),
        ("time_end", TimeIs.END, False),
        ("date_end", TimeIs.END, False),
        ("time_local", TimeIs.START, True),
        ("time_end_local", TimeIs.END, True),
    ],
)
def test_the_name_of_the_time_says_which_end_and_whose_clock(name: str, time_is: TimeIs, is_local: bool) -> None:
    layout = find_layout([name, "open", "high", "low", "close"])
    assert (layout.time_is, layout.is_local) == (time_is, is_local)


def test_whoever_calls_knows_better_which_end_it_is() -> None:
    assert find_layout(["time", "open", "high", "low", "close"], time_is=TimeIs.END).time_is is TimeIs.END


def test_bid_or_ask_is_chosen_where_the_file_has_both() -> None:
    header = ["date", "bid_open", "bid_high", "bid_low", "bid_close", "ask_open", "ask_high", "ask_low", "ask_close"]
    assert find_layout(header, price="ask").fields == {"open": 5, "high": 6, "low": 7, "close": 8}
    with pytest.raises(InvalidRequest, match="--price bid or --price ask"):
        find_layout(header)


def test_unusual_names_can_be_told_and_others_left_aside() -> None:
    header = ["t", "first", "max", "min", "last", "adj_close"]
    columns = {"time": "t", "open": "first", "high": "max", "low": "min", "close": "last"}
    layout = find_layout(header, columns=columns, ignored=["adj_close"])
    assert layout.time == 0
    assert layout.fields == {"open": 1, "high": 2, "low": 3, "close": 4}


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        find_layout(["time", "opne", "high", "low", "close", "close", "what"], ignored=["volum"])
    text = str(caught.value)
    assert "unknown column 'opne' (nearest: 'open')" in text
    assert "unknown column 'what'" in text
    assert "'close' is there 2 times" in text
    assert "--ignore-column volum: the file has no such column" in text


def test_a_price_that_the_file_does_not_have_is_no_choice() -> None:
    with pytest.raises(InvalidRequest, match="--price ask: the file has no column ask_open"):
        find_layout(["time", "open", "high", "low", "close"], price="ask")


def test_a_missing_price_is_named() -> None:
    with pytest.raises(InvalidRequest, match="no column for low"):
        find_layout(["time", "open", "high", "close"])


def test_two_columns_of_one_meaning_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="'time' and 'date' are both time"):
        find_layout(["time", "date", "open", "high", "low", "close"])


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no such field"):
        find_layout(["time", "open", "high", "low", "close"], columns={"prise": "open"})

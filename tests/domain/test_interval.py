"""The 13 intervals: their names, numbers and nest."""

from __future__ import annotations

import pytest

from domain.errors import UnsupportedInterval
from domain.interval import Interval


def test_there_are_thirteen_and_their_case_matters():
    assert " ".join(Interval) == "1m 3m 5m 15m 30m 45m 1h 2h 3h 4h 1d 1w 1M"
    assert Interval.parse("1m") is Interval.M1
    assert Interval.parse("1M") is Interval.MN1


@pytest.mark.parametrize(("text", "interval"), [("1D", Interval.D1), ("1W", Interval.W1), ("1mo", Interval.MN1)])
def test_other_spellings_are_understood(text, interval):
    assert Interval.parse(text) is interval


@pytest.mark.parametrize(
    ("text", "hint"),
    [("60m", "30m?"), ("15min", "15m?"), ("1H", "1"), ("M", "1M?"), ("h", "1h?"), ("", None), ("x" * 500, None)],
)
def test_anything_else_is_refused_with_the_choice_and_the_nearest(text, hint):
    with pytest.raises(UnsupportedInterval, match="use one of 1m 3m") as raised:
        Interval.parse(text)
    assert len(str(raised.value)) < 200
    _, _, hinted = str(raised.value).partition("did you mean ")
    assert hinted.startswith(hint) if hint else not hinted


def test_codes_at_rest_never_change():
    assert [interval.code for interval in Interval] == list(range(1, 14))
    assert all(Interval.from_code(interval.code) is interval for interval in Interval)


def test_each_child_divides_its_parent():
    for interval in Interval:
        child = interval.child
        if child is not None and interval.seconds is not None and child.seconds is not None:
            assert interval.seconds % child.seconds == 0
    assert [interval for interval in Interval if interval.child is None] == [Interval.M1]
    assert [interval for interval in Interval if not interval.is_intraday] == [Interval.D1, Interval.W1, Interval.MN1]


def test_an_interval_is_found_by_its_text_and_the_other_way_round():
    assert {"1h": 1}[Interval.H1] == 1
    assert {Interval.H1: 1}["1h"] == 1

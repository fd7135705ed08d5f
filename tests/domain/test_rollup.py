"""Coarse bars from fine ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.bar import Bar, BarSource, BarState
from domain.calendars import get_calendar
from domain.interval import Interval
from domain.rollup import ancestors, roll_up

START = datetime(2026, 1, 5, tzinfo=UTC)
ALWAYS = get_calendar("24/7")


def minute(n: int, price: float = 100.0, *, start: datetime = START, **values: object) -> Bar:
    opens = start + timedelta(minutes=n)
    prices = {"open": price, "high": price + 2, "low": price - 1, "close": price + 1}
    given_values = {"volume": 0.1, "trades": 2} | values
    ends = opens + timedelta(minutes=1)
    return Bar("TEST:X", Interval.M1, opens, opens, ends, **prices, **given_values)  # type: ignore[arg-type]


def test_every_coarser_interval_is_made_of_minutes() -> None:
    assert ancestors(Interval.M1) == list(Interval)[1:]
    assert ancestors(Interval.H1) == [
        Interval.H2, Interval.H3, Interval.H4, Interval.D1, Interval.W1, Interval.MN1
    ]  # fmt: skip
    assert ancestors(Interval.MN1) == []


def test_first_open_last_close_extremes_and_exact_sums() -> None:
    bars = roll_up([minute(n, 100.0 + n) for n in range(10)], Interval.M5, ALWAYS)
    assert [(bar.open, bar.high, bar.low, bar.close) for bar in bars] == [(100, 106, 99, 105), (105, 111, 104, 110)]
    assert [bar.volume for bar in bars] == [0.5, 0.5]  # summed one by one it were 0.5 and 0.49999999999999994
    assert [bar.trades for bar in bars] == [10, 10]
    assert {bar.source for bar in bars} == {BarSource.ROLLUP}
    assert not any(bar.partial for bar in bars)


def test_a_window_that_reaches_beyond_the_bars_is_partial() -> None:
    bars = roll_up([minute(n) for n in range(2, 12)], Interval.M5, ALWAYS)
    assert [bar.partial for bar in bars] == [True, False, True]


def test_what_is_made_of_a_provisional_bar_is_provisional() -> None:
    bars = roll_up(
        [minute(n, state=BarState.PROVISIONAL if n == 7 else BarState.FINAL) for n in range(10)], Interval.M5, ALWAYS
    )
    assert [bar.state for bar in bars] == [BarState.FINAL, BarState.PROVISIONAL]


def test_trades_are_unknown_if_some_are() -> None:
    assert roll_up([minute(0), minute(1, trades=None)], Interval.M5, ALWAYS)[0].trades is None


def test_sessions_begin_anew_after_lunch_and_days_hold_no_early_hours() -> None:
    tokyo = get_calendar("XTKS")
    morning = datetime(2026, 1, 6, 0, 0, tzinfo=UTC)  # 09:00 in Tokyo
    minutes = [minute(n, start=morning) for n in (*range(150), *range(210, 390))]
    hours = roll_up(minutes, Interval.H2, tokyo)
    assert [f"{bar.starts_at:%H:%M}-{bar.close_time:%H:%M}" for bar in hours] == [
        "00:00-02:00", "02:00-02:30", "03:30-05:30", "05:30-06:30"
    ]  # fmt: skip
    new_york = get_calendar("XNYS/extended")
    early = [minute(n, start=datetime(2026, 1, 5, 14, 0, tzinfo=UTC)) for n in range(60)]
    days = roll_up(early, Interval.D1, new_york)
    assert [(bar.open_time, bar.trades) for bar in days] == [(START, 60)]


def test_a_finer_interval_cannot_be_made() -> None:
    five = roll_up([minute(n) for n in range(5)], Interval.M5, ALWAYS)
    with pytest.raises(ValueError, match="not made of"):
        roll_up(five, Interval.M1, ALWAYS)
    with pytest.raises(ValueError, match="not made of"):
        roll_up(five, Interval.M3, ALWAYS)
    assert roll_up([], Interval.M5, ALWAYS) == []


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, 3000), min_size=1), st.integers(1, 1000))
def test_step_by_step_gives_the_same_as_at_once(minutes: set[int], seed: int) -> None:
    bars = [minute(n, 100 + (n * seed) % 7, volume=float((n * seed) % 11)) for n in sorted(minutes)]
    for fine, coarse in ((Interval.M5, Interval.M15), (Interval.M30, Interval.H1), (Interval.H4, Interval.D1)):
        at_once = roll_up(bars, coarse, ALWAYS)
        by_steps = roll_up(roll_up(bars, fine, ALWAYS), coarse, ALWAYS)
        assert [(b.open_time, b.open, b.high, b.low, b.close, b.volume, b.trades) for b in by_steps] == [
            (b.open_time, b.open, b.high, b.low, b.close, b.volume, b.trades) for b in at_once
        ]

"""Which bars an answer should have held."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.calendars import get_calendar
from domain.interval import Interval
from marketdata.completeness import GRACE_SECONDS, Completeness, Missing, completeness

LATE = 10**10


def second(*parts):
    return int(datetime(*parts, tzinfo=UTC).timestamp())


def test_nights_weekends_and_holidays_are_not_missing():
    start, end = second(2026, 11, 25), second(2026, 11, 30)  # Thanksgiving and the half-day after it lie within
    keys = {window.key for window in get_calendar("XNYS").windows(Interval.H1, start, end)}
    assert completeness("XNYS", Interval.H1, start, end, keys, now=LATE) == Completeness(7 + 4, [], 0)


def test_missing_bars_in_a_row_are_one_range_even_over_a_night():
    start, end = second(2026, 11, 23), second(2026, 11, 25)
    keys = [window.key for window in get_calendar("XNYS").windows(Interval.H1, start, end)]
    found = completeness("XNYS", Interval.H1, start, end, {*keys[:5], *keys[9:]}, now=LATE)
    assert found.expected == 14
    assert found.missing == [Missing(second(2026, 11, 23, 19, 30), second(2026, 11, 24, 16, 30), 4)]


def test_a_bar_is_expected_only_once_it_may_have_arrived():
    closes = 60
    assert completeness("24/7", Interval.M1, 0, 60, set(), now=closes + GRACE_SECONDS - 1).expected == 0
    assert completeness("24/7", Interval.M1, 0, 60, set(), now=closes + GRACE_SECONDS).expected == 1
    assert completeness("24/7", Interval.M1, 0, 60, {0}, now=closes).expected == 1


def test_a_list_of_ranges_that_grows_too_long_says_how_many_it_leaves_out():
    found = completeness("24/7", Interval.M1, 0, 60 * 1_000, set(range(0, 60_000, 120)), now=LATE)
    assert (found.expected, len(found.missing), found.omitted) == (1_000, 200, 300)


def test_nothing_is_claimed_where_the_calendar_is_not_known_or_counting_would_take_too_long():
    assert completeness("24/7", Interval.M1, 0, 60 * 40_000, set(), now=LATE) is None
    assert completeness("XNYS", Interval.D1, second(1800, 1, 1), second(1800, 2, 1), set(), now=LATE) is None

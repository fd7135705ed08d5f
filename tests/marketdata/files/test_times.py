"""What a time in a file means, and which bar it names."""

from __future__ import annotations

from datetime import date, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.calendars import get_calendar
from domain.errors import NaiveTime
from domain.interval import Interval
from marketdata.files.layout import TimeIs
from marketdata.files.tables import Instant
from marketdata.files.times import Misplaced, Placer, TimeReader

NEW_YORK = ZoneInfo("America/New_York")
MOMENT = 1_767_623_400  # 2026-01-05T14:30:00Z


@pytest.mark.parametrize(
    "cell",
    [
        "2026-01-05T14:30:00Z",
        "2026-01-05 14:30:00+00:00",
        "2026-01-05T09:30-05:00",
        "1767623400",
        "1767623400.0",
        "1767623400000",
        "1767623400000000000",
        1767623400,
        Instant(1767623400 * 10**9),
    ],
)
def test_an_instant_is_read_however_it_is_written(cell: Any) -> None:
    assert TimeReader(None).read(cell) == MOMENT


def test_a_clock_without_a_zone_needs_one() -> None:
    with pytest.raises(NaiveTime, match="--time-zone"):
        TimeReader(None).read("2026-01-05 09:30")
    assert TimeReader(NEW_YORK).read("2026-01-05 09:30") == MOMENT
    assert TimeReader(NEW_YORK).read(datetime(2026, 1, 5, 9, 30)) == MOMENT  # noqa: DTZ001  # as Parquet gives it


def test_a_date_is_a_date() -> None:
    assert TimeReader(None).read("2026-01-05") == date(2026, 1, 5)
    assert TimeReader(None).read("20260105") == date(2026, 1, 5)


@pytest.mark.parametrize("cell", ["", "yesterday", "2026-13-01", "2026-01-05T14:30:00.5Z", "99999999999999999999999"])
def test_what_is_no_whole_second_is_refused(cell: str) -> None:
    with pytest.raises(Misplaced):
        TimeReader(None).read(cell)


def test_the_hour_that_comes_twice_is_told_apart_by_the_order_of_the_file() -> None:
    reader = TimeReader(NEW_YORK)
    read = [reader.read(f"2025-11-02 {clock}") for clock in ("00:30", "01:30", "01:30", "02:30")]
    assert [after - before for before, after in pairwise(read)] == [3600, 3600, 3600]


def test_the_hour_that_never_was_is_refused() -> None:
    with pytest.raises(Misplaced, match="never was"):
        TimeReader(NEW_YORK).read("2026-03-08 02:30")


def placed(calendar: str, interval: Interval, time_is: TimeIs, moment: Any) -> str:
    window = Placer(get_calendar(calendar), interval, time_is).place(TimeReader(None).read(moment))
    return f"{datetime.fromtimestamp(window.key, ZoneInfo('UTC')):%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("calendar", "interval", "time_is", "moment", "key"),
    [
        ("24/7", Interval.M1, TimeIs.START, "2026-01-05T14:30:00Z", "2026-01-05T14:30"),
        ("24/7", Interval.M1, TimeIs.END, "2026-01-05T14:30:00Z", "2026-01-05T14:29"),
        ("XNYS", Interval.H1, TimeIs.START, "2026-01-05T14:30:00Z", "2026-01-05T14:30"),
        ("XNYS", Interval.H4, TimeIs.END, "2026-01-05T21:00:00Z", "2026-01-05T18:30"),  # cut at the close
        ("XNYS/extended", Interval.M1, TimeIs.START, "2026-01-05T09:00:00Z", "2026-01-05T09:00"),
        ("XNYS", Interval.D1, TimeIs.START, "2026-01-05", "2026-01-05T00:00"),
        ("XNYS", Interval.D1, TimeIs.START, "2026-01-05T14:30:00Z", "2026-01-05T00:00"),  # the session's open
        ("XNYS", Interval.D1, TimeIs.START, "2026-01-05T00:00:00Z", "2026-01-05T00:00"),  # our own key
        ("XNYS", Interval.D1, TimeIs.END, "2026-01-05T21:00:00Z", "2026-01-05T00:00"),
        ("XNYS", Interval.W1, TimeIs.END, "2026-01-09", "2026-01-05T00:00"),
        ("XNYS", Interval.W1, TimeIs.START, "2026-01-05", "2026-01-05T00:00"),
        ("24/7", Interval.MN1, TimeIs.END, "2026-01-31", "2026-01-01T00:00"),
        ("XNYS", Interval.D1, TimeIs.START, "1950-01-03", "1950-01-03T00:00"),  # before the calendar's time
    ],
)
def test_a_time_names_the_bar_it_starts_or_ends(
    calendar: str, interval: Interval, time_is: TimeIs, moment: str, key: str
) -> None:
    assert placed(calendar, interval, time_is, moment) == key


@pytest.mark.parametrize(
    ("calendar", "interval", "moment", "words"),
    [
        ("24/7", Interval.H1, "2026-01-05T14:30:00Z", "is not the start of a 1h bar"),
        ("XNYS", Interval.M1, "2026-01-05T09:00:00Z", "outside the sessions of XNYS"),
        ("XNYS", Interval.D1, "2026-01-04", "no trading day"),
        ("XNYS", Interval.M1, "2026-01-05", "a time of day is needed"),
    ],
)
def test_a_time_that_names_no_bar_says_why(calendar: str, interval: Interval, moment: str, words: str) -> None:
    with pytest.raises(Misplaced, match=words):
        placed(calendar, interval, TimeIs.START, moment)

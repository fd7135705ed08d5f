"""Bitmaps of bars say the same as lists of their keys, which cost a hundred times as much."""

from __future__ import annotations

import random

import pytest

from domain.calendars import get_calendar
from domain.coverage import Stretch, chunks_of, expect, parted, stretches
from domain.interval import Interval

DAY = 86_400
SPRING = 1_740_787_200  # 2025-03-01, a week before New York changes its clocks
CALENDARS = ["24/7", "XNYS", "XNYS/extended", "XHKG", "XLON", "forex", "XSAU"]


def keys_of(calendar: str, interval: Interval, start: int, end: int, closed_by: int) -> list[int]:
    return [key for _, closes, key in get_calendar(calendar).windows(interval, start, end) if closes <= closed_by]


@pytest.mark.parametrize("calendar", CALENDARS)
@pytest.mark.parametrize("interval", Interval)
def test_what_is_expected_are_the_bars_that_the_calendar_lists_and_that_have_closed(
    calendar: str, interval: Interval
) -> None:
    dice = random.Random(f"{calendar} {interval}")
    reach = 12 * DAY if interval.is_intraday else 900 * DAY
    for _ in range(12):
        start = SPRING + dice.randrange(reach)
        end = start + dice.randrange(1, reach)
        closed_by = start + dice.randrange(2 * reach)
        keys = keys_of(calendar, interval, start, end, closed_by)
        found = expect(get_calendar(calendar), interval, start, end, closed_by=closed_by)
        assert found.bits == chunks_of(interval).bits(keys)
        assert (found.bars, found.known_from) == (len(keys), start)


def joined(keys: list[int], flags: list[bool]) -> list[Stretch]:
    """Neighbours put together one by one."""
    found: list[Stretch] = []
    before = False
    for key, is_missing in zip(keys, flags, strict=True):
        if is_missing:
            first, _, bars = found.pop() if before else Stretch(key, key, 0)
            found.append(Stretch(first, key, bars + 1))
        before = is_missing
    return found


@pytest.mark.parametrize("calendar", CALENDARS)
@pytest.mark.parametrize("interval", [Interval.M1, Interval.M45, Interval.H4])
def test_missing_neighbours_are_joined_over_nights_and_the_edges_of_chunks(calendar: str, interval: Interval) -> None:
    dice = random.Random(f"{calendar} {interval}")
    start, end = SPRING, SPRING + (9 if interval is Interval.M1 else 300) * DAY
    keys = keys_of(calendar, interval, start, end, end)
    expected = chunks_of(interval).bits(keys)
    for share in (0.0, 0.01, 0.5, 0.99, 1.0):
        flags = [dice.random() < share for _ in keys]
        first = dice.randrange(len(keys))
        flags[first : first + len(keys) // 2] = [True] * len(flags[first : first + len(keys) // 2])
        missing = chunks_of(interval).bits(key for key, gone in zip(keys, flags, strict=True) if gone)
        assert list(stretches(interval, expected, missing)) == joined(keys, flags)


@pytest.mark.parametrize("key", [SPRING, SPRING + 60, SPRING + 7 * 3600 + 30, SPRING + DAY, SPRING + 3 * DAY + 90])
def test_bitmaps_are_parted_at_a_key(key: int) -> None:
    chunks = chunks_of(Interval.M1)
    keys = keys_of("24/7", Interval.M1, SPRING, SPRING + 3 * DAY, SPRING + 3 * DAY)
    older, newer = parted(Interval.M1, chunks.bits(keys), key)
    assert sorted(k for at, bits in older.items() for k in chunks.keys(at, bits)) == [k for k in keys if k < key]
    assert sorted(k for at, bits in newer.items() for k in chunks.keys(at, bits)) == [k for k in keys if k >= key]


def test_before_a_calendar_begins_nothing_is_expected() -> None:
    calendar = get_calendar("XNYS")
    assert calendar.known is not None
    first = int((calendar.known[0].toordinal() - 719_163) * DAY)
    found = expect(calendar, Interval.H1, first - 400 * DAY, first + 30 * DAY, closed_by=first + 90 * DAY)
    assert found.known_from == first
    assert min(found.bits) >= chunks_of(Interval.H1).start_of(first)
    assert found.bars == len(keys_of("XNYS", Interval.H1, first, first + 30 * DAY, first + 90 * DAY))


@pytest.mark.parametrize(("interval", "bars"), [(Interval.D1, 60), (Interval.W1, 9), (Interval.MN1, 3)])
def test_what_is_expected_may_begin_with_the_first_date_that_there_is(interval: Interval, bars: int) -> None:
    first = (1 - 719_163) * DAY
    found = expect(get_calendar("24/7"), interval, first, first + 60 * DAY, closed_by=first + 900 * DAY)
    assert found.bars == bars

"""How complete an answer is: which bars the calendar expects in its range, and which of them are not stored."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from domain.calendars import get_calendar
from domain.errors import UnknownCalendar
from domain.interval import Interval

# A bar that closed this recently may be on its way.
GRACE_SECONDS = 120
# Beyond so many nominal lengths counting would cost more than the bars.
_LONGEST = 30_000
_MOST_RANGES = 200


class Missing(NamedTuple):
    """Consecutive expected bars that are not stored: open time of the first, close time of the last."""

    start: int
    end: int
    bars: int


class Completeness(NamedTuple):
    expected: int
    missing: list[Missing]
    omitted: int  # further ranges that are not listed


def completeness(
    calendar_name: str, interval: Interval, start: int, end: int, stored: Collection[int], *, now: int
) -> Completeness | None:
    """Of bars with keys in ``[start, end)`` that closed before ``now`` less the grace; None where it is not known.

    ``stored`` are the keys that are there. A minute in which nothing traded counts as missing here: whether the
    provider has such a bar is known only after asking.
    """
    if (end - start) / (interval.seconds or 86_400) > _LONGEST:
        return None
    found: list[Missing] = []
    expected, is_open = 0, False
    try:
        for _, closes, key in get_calendar(calendar_name).windows(interval, start, end):
            if key in stored:
                expected, is_open = expected + 1, False
            elif closes <= now - GRACE_SECONDS:
                expected += 1
                if is_open:
                    found[-1] = Missing(found[-1].start, closes, found[-1].bars + 1)
                else:
                    found.append(Missing(key, closes, 1))
                is_open = True
    except UnknownCalendar:
        return None
    return Completeness(expected, found[:_MOST_RANGES], max(0, len(found) - _MOST_RANGES))

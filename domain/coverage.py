"""Which bars are expected, which are there, and why the others are not; as bitmaps, so that years cost little.

A bitmap is a Python integer: bit ``n`` stands for the bar whose key is ``n`` units after the start of its chunk. The
unit is the minute for intraday intervals, because early and late hours and lunch breaks cut bars short, so that two of
them may begin anywhere; and the day for the coarse ones. Keys count, not places in a calendar's list: a calendar that
is corrected changes what is expected and nothing that is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from domain.calendars import Calendar
from domain.errors import UnknownCalendar
from domain.interval import Interval
from domain.spans import DAY, Window

_MINUTE = 60
_NOMINAL_BARS = 1_440  # of a chunk: a day of minutes, sixty days of hours
_COARSE_DAYS = 4_096


class Reason(StrEnum):
    """Why an expected bar is not stored."""

    NONE_AT_PROVIDER = "none at provider"
    FEED_DOWN = "feed down"
    BEYOND_WINDOW = "beyond provider's window"
    NOT_ASKED = "not asked"
    CALENDAR_UNKNOWN = "calendar unknown"


class Hole(NamedTuple):
    """Consecutive expected bars that are not stored: keys in ``[start, end)``, epoch seconds, ``bars`` of them.

    ``recoverable_until``: from then on the first of them lies beyond the provider's window; None where there is no
    such limit, or where it is beyond already. ``detail`` says more in words.
    """

    start: int
    end: int
    bars: int
    reason: Reason
    recoverable_until: datetime | None = None
    detail: str = ""


class Stretch(NamedTuple):
    """``bars`` expected bars, one after the other, with keys from ``first`` to ``last``, both included."""

    first: int
    last: int
    bars: int


class Chunks(NamedTuple):
    """How the keys of an interval are cut into chunks: ``slots`` units of ``unit`` seconds each."""

    unit: int
    slots: int

    @property
    def length(self) -> int:
        return self.unit * self.slots

    def start_of(self, key: int) -> int:
        """The start of the chunk that holds ``key``."""
        return key - key % self.length

    def place(self, key: int) -> tuple[int, int]:
        """The start of the chunk that holds ``key``, and its slot there."""
        offset = key % self.length
        return key - offset, offset // self.unit

    def starts(self, start: int, end: int) -> range:
        """The starts of the chunks that hold keys of ``[start, end)``."""
        return range(self.start_of(start), end, self.length) if start < end else range(0)

    def bits(self, keys: Iterable[int]) -> dict[int, int]:
        """The bitmaps of ``keys``, by the start of their chunk."""
        slots: dict[int, bytearray] = {}
        length, unit, size = self.length, self.unit, (self.slots + 7) // 8
        for key in keys:
            offset = key % length
            found = slots.get(key - offset)
            if found is None:
                found = slots[key - offset] = bytearray(size)
            slot = offset // unit
            found[slot >> 3] |= 1 << (slot & 7)
        return {start: int.from_bytes(found, "little") for start, found in slots.items()}

    def keys(self, start: int, bitmap: int) -> Iterator[int]:
        """The keys of a bitmap, ascending."""
        unit, digits = self.unit, _digits(bitmap)
        slot = digits.find("1")
        while slot >= 0:
            yield start + slot * unit
            slot = digits.find("1", slot + 1)

    def mask(self, chunk: int, start: int, end: int) -> int:
        """The slots of the chunk at ``chunk`` whose keys lie in ``[start, end)``."""
        lower = min(max(0, -(-(start - chunk) // self.unit)), self.slots)
        upper = min(max(0, -(-(end - chunk) // self.unit)), self.slots)
        return ((1 << upper) - 1) ^ ((1 << lower) - 1) if upper > lower else 0


def chunks_of(interval: Interval) -> Chunks:
    """The chunks of an interval. At rest they are named by their start: never to be changed."""
    seconds = interval.seconds
    return Chunks(DAY, _COARSE_DAYS) if seconds is None else Chunks(_MINUTE, _NOMINAL_BARS * seconds // _MINUTE)


class Expected(NamedTuple):
    """The bars that a calendar expects: bitmaps by chunk, their number, and the key from which it knows."""

    bits: dict[int, int]
    bars: int
    known_from: int


def expect(calendar: Calendar, interval: Interval, start: int, end: int, *, closed_by: int) -> Expected:
    """The bars with keys in ``[start, end)`` that closed at ``closed_by`` at the latest; all epoch seconds.

    Where the calendar does not reach nothing is expected: ``known_from`` is where it begins, at the earliest ``start``;
    ``end`` if it knows nothing of the range.
    """
    if calendar.alignment == "utc" and interval.seconds is not None:
        return _expect_always(interval, interval.seconds, start, min(end, closed_by - interval.seconds + 1))
    known_from = _known_from(calendar, start, end)
    keys = [key for _, closes, key in _windows(calendar, interval, known_from, end) if closes <= closed_by]
    return Expected(chunks_of(interval).bits(keys), len(keys), known_from)


def _expect_always(interval: Interval, seconds: int, start: int, end: int) -> Expected:
    """A market that never closes: every chunk is the same but the first and the last."""
    chunks = chunks_of(interval)
    step = seconds // chunks.unit
    whole = ((1 << chunks.slots) - 1) // ((1 << step) - 1)  # a bit every ``step`` slots
    bits = {chunk: whole & chunks.mask(chunk, start, end) for chunk in chunks.starts(start, end)}
    bits = {chunk: found for chunk, found in bits.items() if found}
    return Expected(bits, sum(found.bit_count() for found in bits.values()), start)


def _known_from(calendar: Calendar, start: int, end: int) -> int:
    known = calendar.known
    if known is None:
        return start
    first = (known[0].toordinal() - _EPOCH_ORDINAL) * DAY
    return min(max(start, first), end)


def _windows(calendar: Calendar, interval: Interval, start: int, end: int) -> Iterator[Window]:
    try:
        yield from calendar.windows(interval, start, end)
    except UnknownCalendar:
        return  # its end: nothing is expected of days that it does not know yet


_EPOCH_ORDINAL = datetime(1970, 1, 1).toordinal()  # noqa: DTZ001  # a date's number


def stretches(interval: Interval, expected: Mapping[int, int], missing: Mapping[int, int]) -> Iterator[Stretch]:
    """Missing bars, neighbours among the expected joined, ascending. Both bitmaps by chunk, one within the other."""
    chunks = chunks_of(interval)
    first = last = bars = 0
    for start in sorted(expected):
        digits, gone = _digits(expected[start]), _digits(missing.get(start, 0))
        slot, following = gone.find("1"), digits.find("1")  # the next missing bar, and the one that would join on
        while slot >= 0:
            if bars and slot != following:
                yield Stretch(first, last, bars)
                bars = 0
            last = start + slot * chunks.unit
            first, bars = (first, bars + 1) if bars else (last, 1)
            slot, following = gone.find("1", slot + 1), digits.find("1", slot + 1)
        if bars and following >= 0:
            yield Stretch(first, last, bars)
            bars = 0
    if bars:
        yield Stretch(first, last, bars)


def _digits(bitmap: int) -> str:
    """Slot by slot: searching a text is quicker than taking bits off a huge number."""
    return f"{bitmap:b}"[::-1]

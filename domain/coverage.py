"""Which bars are expected, which are there, and why the others are not; as bitmaps, so that years cost little.

A bitmap is a Python integer: bit ``n`` stands for the bar whose key is ``n`` units after the start of its chunk. The
unit is the minute for intraday intervals, because early and late hours and lunch breaks cut bars short, so that two of
them may begin anywhere; and the day for the coarse ones. Keys count, not places in a calendar's list: a calendar that
is corrected changes what is expected and nothing that is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from domain.calendars import Calendar
from domain.errors import UnknownCalendar
from domain.interval import Interval
from domain.spans import DAY, Window, day_number

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
    """The bars that a calendar expects: bitmaps by chunk, their number, and the key from which it knows.

    ``closed_until``: whatever has an earlier key has closed, expected or not.
    """

    bits: dict[int, int]
    bars: int
    known_from: int
    closed_until: int


# A bar's span ends this many seconds after its key at the latest. Days may begin the evening before or end after
# midnight; weeks and months run to their last session.
_LONGEST = {Interval.D1: 3 * DAY, Interval.W1: 9 * DAY, Interval.MN1: 40 * DAY}


def expect(calendar: Calendar, interval: Interval, start: int, end: int, *, closed_by: int) -> Expected:
    """The bars with keys in ``[start, end)`` that closed at ``closed_by`` at the latest; all epoch seconds.

    Where the calendar does not reach nothing is expected: ``known_from`` is where it begins, at the earliest ``start``;
    ``end`` if it knows nothing of the range.
    """
    chunks, known_from = chunks_of(interval), _known_from(calendar, start, end)
    closed_until = max(known_from, min(end, closed_by - (interval.seconds or _LONGEST[interval]) + 1))
    found, bars = {}, 0
    for chunk in chunks.starts(known_from, closed_until):
        bits, count = _whole_chunk(calendar, interval, chunk)
        if chunk < known_from or chunk + chunks.length > closed_until:
            bits &= chunks.mask(chunk, known_from, closed_until)
            count = bits.bit_count()
        if bits:
            found[chunk] = bits
            bars += count
    last = [key for _, closes, key in _windows(calendar, interval, closed_until, end) if closes <= closed_by]
    for chunk, bits in chunks.bits(last).items():
        found[chunk] = found.get(chunk, 0) | bits
    return Expected(found, bars + len(last), known_from, closed_until)


@lru_cache(maxsize=20_000)
def _whole_chunk(calendar: Calendar, interval: Interval, chunk: int) -> tuple[int, int]:
    """All bars of a chunk, and their number; the past does not change, and many series share a calendar."""
    chunks = chunks_of(interval)
    if calendar.alignment == "utc" and interval.seconds is not None:
        bits = _every(chunks.slots, interval.seconds // chunks.unit)
    else:
        start, end = chunk, chunk + chunks.length
        if calendar.known is not None:
            first, stop = (_second(date) for date in calendar.known)
            start, end = max(start, first), min(end, stop)
        keys = [window.key for window in _windows(calendar, interval, start, end)]
        bits = chunks.bits(keys).get(chunk, 0)
    return bits, bits.bit_count()


@lru_cache(maxsize=16)
def _every(slots: int, step: int) -> int:
    """A bit every ``step`` slots."""
    return int(((1 << slots) - 1) // ((1 << step) - 1))


def _known_from(calendar: Calendar, start: int, end: int) -> int:
    known = calendar.known
    if known is None:
        return start
    return min(max(start, _second(known[0])), end)


def _second(date: date) -> int:
    return day_number(date) * DAY


def _windows(calendar: Calendar, interval: Interval, start: int, end: int) -> Iterator[Window]:
    try:
        yield from calendar.windows(interval, start, end)
    except UnknownCalendar:
        return  # its end: nothing is expected of days that it does not know yet


def parted(interval: Interval, bits: Mapping[int, int], key: int) -> tuple[dict[int, int], dict[int, int]]:
    """Bitmaps by chunk in two: keys before ``key``, and the others."""
    chunks = chunks_of(interval)
    older = {start: found for start, found in bits.items() if start < key}
    newer = {start: found for start, found in bits.items() if start >= key}
    at = chunks.start_of(key)
    if at in older:  # the chunk that ``key`` lies in, past its start
        earlier = chunks.mask(at, at, key)
        newer |= {at: older[at] & ~earlier}
        older[at] &= earlier
    return older, newer


def stretches(interval: Interval, expected: Mapping[int, int], missing: Mapping[int, int]) -> Iterator[Stretch]:
    """Missing bars, neighbours among the expected joined, ascending. Both bitmaps by chunk, one within the other."""
    unit = chunks_of(interval).unit
    running: Stretch | None = None
    for start in sorted(expected):
        bits, gone = expected[start], missing.get(start, 0)
        if running is not None and not gone & _lowest(bits):
            yield running
            running = None
        for first, last, bars in _pieces(bits, gone):
            before = running or Stretch(start + first * unit, 0, 0)
            running = Stretch(before.first, start + last * unit, before.bars + bars)
            if last + 1 != bits.bit_length():
                yield running
                running = None
    if running is not None:
        yield running


def _pieces(bits: int, gone: int) -> Iterator[tuple[int, int, int]]:
    """Runs of ``gone`` among ``bits``: first slot, last slot, number. A chunk of which all is gone costs no search."""
    if gone == bits:
        yield _lowest(gone).bit_length() - 1, gone.bit_length() - 1, gone.bit_count()
        return
    all_digits, gone_digits = _digits(bits), _digits(gone)
    first = gone_digits.find("1")
    while first >= 0:
        last, bars = first, 1
        slot = all_digits.find("1", first + 1)
        while slot >= 0 and gone_digits[slot : slot + 1] == "1":
            last, bars = slot, bars + 1
            slot = all_digits.find("1", slot + 1)
        yield first, last, bars
        first = gone_digits.find("1", last + 1)


def _lowest(bits: int) -> int:
    return bits & -bits


def _digits(bitmap: int) -> str:
    """Slot by slot: searching a text is quicker than taking bits off a huge number."""
    return f"{bitmap:b}"[::-1]

"""A range of a series as the ledger sees it: what is expected, and what is known of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from domain.calendars import get_calendar
from domain.coverage import Expected, chunks_of, expect
from domain.errors import UnknownCalendar
from domain.interval import Interval
from marketdata.absences import ASK_AGAIN, LATE, absent_by
from marketdata.coverage_chunks import Chunk

GRACE_SECONDS = 120  # a bar that closed this recently may be on its way


@dataclass(slots=True)
class SeriesRange:
    """A range of a series: what is expected and what is known of it.

    ``last``: the key of the series' last bar; ``end`` if it has none. ``told_until``: before this key every stored bar
    is history's; None: all are.
    """

    start: int
    end: int
    expected: Expected
    chunks: dict[int, Chunk]
    last: int
    told_until: int | None

    @property
    def stored(self) -> int:
        return self._count(lambda chunk: chunk.stored)

    @property
    def empty(self) -> int:
        return self._count(lambda chunk: (chunk.asked | chunk.settled) & ~chunk.stored)

    def unexpected(self, interval: Interval) -> int:
        """Stored without being expected; what closed just now is neither."""
        chunks, total = chunks_of(interval), 0
        for start, chunk in self.chunks.items():
            others = chunk.stored & ~self.expected.bits.get(start, 0)
            if others:
                total += (others & chunks.mask(start, self.start, self.expected.closed_until)).bit_count()
        return total

    def _count(self, of: Callable[[Chunk], int]) -> int:
        known = self.chunks.items()
        return sum((of(chunk) & self.expected.bits.get(start, 0)).bit_count() for start, chunk in known)

    def missing(self) -> dict[int, int]:
        """Bitmaps by chunk of what is neither stored nor known to be absent at the provider."""
        return self._absent(lambda chunk: ~(chunk.stored | chunk.asked | chunk.settled))

    def to_ask_again(self, interval: Interval, now: datetime) -> dict[int, int]:
        """Bitmaps of what the provider did not have when it was asked, a day ago or more.

        What is later than all that history has told may only have been late: it is asked for by every sync.
        """
        chunks, proven = chunks_of(interval), self._proven_until(interval)

        def due(chunk: Chunk) -> int:
            if not chunk.absences:
                return 0
            again = absent_by(chunk.absences, now - ASK_AGAIN)
            late = absent_by(chunk.absences, now - LATE) & chunks.mask(chunk.start, proven, chunk.start + chunks.length)
            return (again | late) & ~chunk.stored

        return self._absent(due)

    def _proven_until(self, interval: Interval) -> int:
        """The key of the last bar that history certainly told: of what is absent before, it would have told."""
        if self.told_until is None:
            return self.last
        chunks = chunks_of(interval)
        for start in sorted(self.chunks, reverse=True):
            told = self.chunks[start].stored & chunks.mask(start, start, self.told_until)
            if told:
                return start + (told.bit_length() - 1) * chunks.unit
        return self.start

    def _absent(self, of: Callable[[Chunk], int]) -> dict[int, int]:
        found = {start: bits & of(self.chunks.get(start) or Chunk(start)) for start, bits in self.expected.bits.items()}
        return {start: bits for start, bits in found.items() if bits}


def expected_bars(calendar: str, interval: Interval, start: int, end: int, closed_by: int) -> Expected:
    """Nothing, where the calendar is not known."""
    try:
        return expect(get_calendar(calendar), interval, start, end, closed_by=closed_by)
    except UnknownCalendar:
        return Expected({}, 0, end, end)

"""Why bars are missing, and until when they can be had."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.coverage import Hole, Reason, Stretch, chunks_of, parted, stretches
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.absences import asked_at
from marketdata.coverage_chunks import Chunk
from marketdata.documents import seconds
from marketdata.window import leaves_window_at, window_start

_By = Callable[[Stretch], Hole]
_Found = tuple[Stretch, _By]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    """What is known of a series that explains its holes. ``window_bars``: the provider's window, None: it has none."""

    instrument: Instrument
    interval: Interval
    chunks: Mapping[int, Chunk]
    now: datetime
    window_bars: int | None

    def holes(self, expected: Mapping[int, int], missing: Mapping[int, int]) -> Iterator[Hole]:
        """Of what is ``missing`` among the ``expected``, both bitmaps by chunk; parted where the window begins."""
        return (by(stretch) for stretch, by in self._stretches(expected, missing))

    def newest(self, expected: Mapping[int, int], missing: Mapping[int, int], most: int) -> tuple[list[Hole], int]:
        """The last of these holes, and how many there are before them."""
        last: deque[_Found] = deque(maxlen=most)
        total = 0
        for total, found in enumerate(self._stretches(expected, missing), 1):  # noqa: B007  # counted
            last.append(found)
        return [by(stretch) for stretch, by in last], total - len(last)

    def _stretches(self, expected: Mapping[int, int], missing: Mapping[int, int]) -> Iterator[_Found]:
        """Each with who explains it: what the provider still has and what not, and what there are notes of."""
        begins = -(1 << 62)
        if self.window_bars is not None:
            begins = window_start(self.instrument.calendar, self.interval, self.window_bars, seconds(self.now))
        older, newer = parted(self.interval, missing, begins)
        noted = self._noted(newer)
        others = {start: bits & ~noted.get(start, 0) for start, bits in newer.items()} if noted else newer
        yield from self._each(self._beyond, expected, older)
        yield from heapq.merge(
            self._each(self._unasked, expected, others), self._each(self._lost, expected, noted), key=lambda one: one[0]
        )

    def _each(self, by: _By, expected: Mapping[int, int], part: Mapping[int, int]) -> Iterator[_Found]:
        return ((stretch, by) for stretch in (stretches(self.interval, expected, part) if part else ()))

    def _noted(self, missing: Mapping[int, int]) -> dict[int, int]:
        """Those of which there is a note."""
        chunks, found = chunks_of(self.interval), {}
        for start in missing.keys() & self.chunks.keys():
            bits = 0
            for first, end, _ in self.chunks[start].notes:
                bits |= chunks.mask(start, first, end)
            if bits & missing[start]:
                found[start] = bits & missing[start]
        return found

    def known_empty(self, stretch: Stretch) -> Hole:
        """Bars that the provider did not have, and may be asked for once more."""
        first, last, bars = stretch
        start, slot = chunks_of(self.interval).place(first)
        since = asked_at(self._chunk(start).absences, 1 << slot)
        detail = f"asked {since:%Y-%m-%d %H:%MZ}" if since else ""
        return Hole(first, last + 1, bars, Reason.NONE_AT_PROVIDER, None, detail)

    def _unasked(self, stretch: Stretch) -> Hole:
        return self._within(stretch, Reason.NOT_ASKED, "")

    def _lost(self, stretch: Stretch) -> Hole:
        """What the latest note of it says."""
        first, last, _ = stretch
        notes = reversed(self._chunk(first).notes)
        text = next(text for start, end, text in notes if start <= last and first < end)
        return self._within(stretch, Reason.FEED_DOWN, "" if text == Reason.FEED_DOWN else text)

    def _within(self, stretch: Stretch, reason: Reason, detail: str) -> Hole:
        first, last, bars = stretch
        until = None
        if self.window_bars is not None:
            until = leaves_window_at(self.instrument.calendar, self.interval, self.window_bars, first)
        return Hole(first, last + 1, bars, reason, until, detail)

    def _beyond(self, stretch: Stretch) -> Hole:
        first, last, bars = stretch
        window = self.window_bars or 0
        since = leaves_window_at(self.instrument.calendar, self.interval, window, last)
        when = f" since {since:%Y-%m-%d %H:%MZ}" if since else ""
        detail = f"beyond the {window:,} bars that the provider keeps{when}"
        return Hole(first, last + 1, bars, Reason.BEYOND_WINDOW, None, detail)

    def _chunk(self, key: int) -> Chunk:
        start = chunks_of(self.interval).start_of(key)
        return self.chunks.get(start, Chunk(start))

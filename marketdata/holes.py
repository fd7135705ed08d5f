"""Why bars are missing, and until when they can be had."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import starmap

from domain.coverage import Hole, Reason, Stretch, chunks_of, parted, stretches
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.absences import asked_at
from marketdata.coverage_chunks import Chunk
from marketdata.documents import seconds
from marketdata.window import leaves_window_at, window_start


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
        return starmap(self._explain, self._stretches(expected, missing))

    def newest(self, expected: Mapping[int, int], missing: Mapping[int, int], most: int) -> tuple[list[Hole], int]:
        """The last of these holes, and how many there are before them."""
        last: deque[tuple[Stretch, bool]] = deque(maxlen=most)
        total = 0
        for total, found in enumerate(self._stretches(expected, missing), 1):  # noqa: B007  # counted
            last.append(found)
        return list(starmap(self._explain, last)), total - len(last)

    def _stretches(self, expected: Mapping[int, int], missing: Mapping[int, int]) -> Iterator[tuple[Stretch, bool]]:
        """Each with whether the provider still has it."""
        begins = -(1 << 62)
        if self.window_bars is not None:
            begins = window_start(self.instrument.calendar, self.interval, self.window_bars, seconds(self.now))
        older, newer = parted(self.interval, missing, begins)
        for part, is_within in ((older, False), (newer, True)):
            for stretch in stretches(self.interval, expected, part) if part else ():
                yield stretch, is_within

    def _explain(self, stretch: Stretch, is_within: bool) -> Hole:
        return self._within(stretch) if is_within else self._beyond(stretch)

    def known_empty(self, stretch: Stretch) -> Hole:
        """Bars that the provider did not have, and may be asked for once more."""
        first, last, bars = stretch
        start, slot = chunks_of(self.interval).place(first)
        since = asked_at(self._chunk(start).absences, 1 << slot)
        detail = f"asked {since:%Y-%m-%d %H:%MZ}" if since else ""
        return Hole(first, last + 1, bars, Reason.NONE_AT_PROVIDER, None, detail)

    def _within(self, stretch: Stretch) -> Hole:
        first, last, bars = stretch
        until = None
        if self.window_bars is not None:
            until = leaves_window_at(self.instrument.calendar, self.interval, self.window_bars, first)
        reason, detail = self._noted(first, last)
        return Hole(first, last + 1, bars, reason, until, detail)

    def _beyond(self, stretch: Stretch) -> Hole:
        first, last, bars = stretch
        window = self.window_bars or 0
        since = leaves_window_at(self.instrument.calendar, self.interval, window, last)
        when = f" since {since:%Y-%m-%d %H:%MZ}" if since else ""
        detail = f"beyond the {window:,} bars that the provider keeps{when}"
        return Hole(first, last + 1, bars, Reason.BEYOND_WINDOW, None, detail)

    def _noted(self, first: int, last: int) -> tuple[Reason, str]:
        for start, end, text in reversed(self._chunk(first).notes):
            if start <= last and first < end:
                known = text in tuple(Reason)
                return (Reason(text), "") if known else (Reason.FEED_DOWN, text)
        return Reason.NOT_ASKED, ""

    def _chunk(self, key: int) -> Chunk:
        start = chunks_of(self.interval).start_of(key)
        return self.chunks.get(start, Chunk(start))

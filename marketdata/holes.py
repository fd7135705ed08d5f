"""Why bars are missing, and until when they can be had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.calendars import get_calendar
from domain.coverage import Hole, Reason, chunks_of
from domain.instrument import Instrument
from domain.interval import Interval
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

    def missing(self, first: int, last: int, bars: int) -> Iterator[Hole]:
        """``bars`` bars with keys from ``first`` to ``last``, both included; parted where the window begins."""
        if self.window_bars is None:
            yield self._within(first, last, bars)
            return
        begins = window_start(self.instrument.calendar, self.interval, self.window_bars, seconds(self.now))
        keys = self._keys(first, last)
        older = [key for key in keys if key < begins]
        if older:
            yield self._beyond(older[0], older[-1], len(older))
        if len(older) < bars:
            yield self._within(keys[len(older)] if len(older) < len(keys) else first, last, bars - len(older))

    def known_empty(self, first: int, last: int, bars: int) -> Hole:
        """Bars that the provider did not have, and may be asked for once more."""
        asked_at = self._chunk(first).asked_at
        detail = f"asked {asked_at:%Y-%m-%d %H:%MZ}" if asked_at else ""
        return Hole(first, last + 1, bars, Reason.NONE_AT_PROVIDER, None, detail)

    def _within(self, first: int, last: int, bars: int) -> Hole:
        until = None
        if self.window_bars is not None:
            until = leaves_window_at(self.instrument.calendar, self.interval, self.window_bars, first)
        reason, detail = self._noted(first, last)
        return Hole(first, last + 1, bars, reason, until, detail)

    def _beyond(self, first: int, last: int, bars: int) -> Hole:
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

    def _keys(self, first: int, last: int) -> list[int]:
        """The expected keys of a stretch: nothing between them is stored, so those of the calendar."""
        return [window.key for window in get_calendar(self.instrument.calendar).windows(self.interval, first, last + 1)]

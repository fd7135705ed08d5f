"""What an answer says of itself: how complete it is, how fresh, and where its bars came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.bar import BarState
from domain.calendars import get_calendar
from domain.errors import UnknownCalendar
from domain.instrument import Instrument
from marketdata.columns import Found
from marketdata.completeness import GRACE_SECONDS, Missing, completeness
from marketdata.documents import instant
from marketdata.forming import Forming
from marketdata.freshness import newest_expected
from marketdata.selectors import Extent, Reading, bounds
from marketdata.series import Series

_MOST_COUNTED = 300_000  # nominal lengths: beyond, counting what is expected would cost more than the bars


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an answer is about: the question, and what is stored of each of its symbols (None: nothing ever was)."""

    reading: Reading
    series: Sequence[Series | None]
    data_version: str
    forming: Forming

    def about_page(self, bars: Sequence[Found], extent: Extent) -> dict[str, Any]:
        """``meta`` of a page whose bars are at hand."""
        stored = [one for one in bars if not one.is_filled and one.row.state is not BarState.FORMING]
        sources = Counter([one.row.source for one in stored])
        return {
            **self._common(extent, includes_forming=any(one.row.state is BarState.FORMING for one in bars)),
            **self._completeness(stored, extent),
            "returned": len(bars),
            "filled": sum(one.is_filled for one in bars),
            "sources": {source.value: count for source, count in sources.items()},
            "provisional": sum(one.row.state is BarState.PROVISIONAL for one in stored),
            "partial": sum(one.row.partial for one in stored),
        }

    def about_stream(self, extent: Extent) -> dict[str, Any]:
        """The same as far as it is known before the first bar is read."""
        return {
            **self._common(extent, includes_forming=bool(self.reading.forming)),
            "expected": self._expected(extent),
            "returned": extent.returned,
        }

    def _common(self, extent: Extent, *, includes_forming: bool) -> dict[str, Any]:
        reading = self.reading
        changed: list[datetime] = [known.updated_at for known in self.series if known]
        return {
            "interval": reading.query.interval.value,
            "truncated": extent.more,
            "includes_forming": includes_forming,
            "provider": ",".join(sorted({instrument.provider for instrument in reading.instruments})),
            "data_version": self.data_version,
            "updated_at": max(changed, default=None),
            "freshness": [
                self._freshness(position, instrument, known)
                for position, (instrument, known) in enumerate(zip(reading.instruments, self.series, strict=True))
            ],
            "notes": self.forming.notes,
        }

    def _freshness(self, position: int, instrument: Instrument, known: Series | None) -> dict[str, Any]:
        """How far the stored bars reach, how far they should by now, and how old the forming bar is."""
        expected = newest_expected(instrument, self.reading.query.interval, self.reading.now)
        last = known.last if known else None
        is_current = last is not None and last.timestamp() >= expected.key if expected else None
        return {
            "symbol": instrument.symbol,
            "last": last,
            "expected_last": instant(expected.key) if expected else None,
            "is_current": is_current,
            "updated_at": known.updated_at if known else None,
            "forming_as_of": self.forming.as_of.get(position),
        }

    def _completeness(self, stored: Sequence[Found], extent: Extent) -> dict[str, Any]:
        first = min((one.row.open_time for one in stored), default=None)
        expected: int | None = 0
        missing: list[dict[str, Any]] = []
        omitted = 0
        for position, instrument in enumerate(self.reading.instruments):
            keys = {one.row.open_time for one in stored if one.position == position}
            span = self._span(position, extent, first)
            known = span and completeness(
                instrument.calendar,
                self.reading.query.interval,
                *span,
                keys,
                now=self.reading.now - instrument.delay_seconds,
            )
            if not known:
                expected = None
                continue
            expected = None if expected is None else expected + known.expected
            omitted += known.omitted
            missing += [_range(instrument, gap) for gap in known.missing]
        return {"expected": expected, "missing": missing, "missing_omitted": omitted}

    def _expected(self, extent: Extent) -> int | None:
        expected = 0
        for position, (instrument, known) in enumerate(zip(self.reading.instruments, self.series, strict=True)):
            span = self._span(position, extent, int(known.first.timestamp()) if known else None)
            counted = span and self._count(instrument, *span)
            if counted is None:
                return None
            expected += counted
        return expected

    def _count(self, instrument: Instrument, start: int, end: int) -> int | None:
        interval = self.reading.query.interval
        if (end - start) / (interval.seconds or 86_400) > _MOST_COUNTED:
            return None
        until = self.reading.now - instrument.delay_seconds - GRACE_SECONDS
        try:
            windows = get_calendar(instrument.calendar).windows(interval, start, end)
            return sum(closes <= until for _, closes, _ in windows)
        except UnknownCalendar:
            return None

    def _span(self, position: int, extent: Extent, first: int | None) -> tuple[int, int] | None:
        """The keys ``[start, end)`` of a symbol that the page speaks for; None if they have no beginning.

        Where the page was cut by the limit, or goes on after another, that is where the pages part; elsewhere the
        range as it was asked, until now at most, and from the ``first`` bar where no start was asked.
        """
        now = self.reading.now
        start, end = bounds(self.reading.query, position, extent.begin, extent.after)
        start, end = first if start is None else start, now if end is None else min(end, now)
        return None if start is None or start > end else (start, end)


def _range(instrument: Instrument, gap: Missing) -> dict[str, Any]:
    return {"symbol": instrument.symbol, "start": instant(gap.start), "end": instant(gap.end), "bars": gap.bars}

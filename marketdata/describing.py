"""What an answer says of itself: how complete it is, how fresh, and where its bars came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.bar import BarState
from domain.calendars import get_calendar
from domain.coverage import Hole
from domain.errors import InvalidRequest
from domain.instrument import Instrument
from domain.spans import DAY
from marketdata.adjustments import described
from marketdata.documents import instant
from marketdata.forming import Forming
from marketdata.freshness import newest_expected
from marketdata.ledger import Coverage, CoverageLedger
from marketdata.mongo import Document
from marketdata.selectors import Extent, Page, Reading, bounds
from marketdata.series import Series
from marketdata.spans import spans
from symbols.sources import provider_named

# Nominal lengths of a range: beyond, counting costs more than the bars, and listing what is missing more still.
_MOST_COUNTED = 1_000_000
_MOST_LISTED = 50_000
_MOST_RANGES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an answer is about: the question, and what is stored of each of its symbols (None: nothing ever was)."""

    reading: Reading
    series: Sequence[Series | None]
    data_version: str
    forming: Forming
    ledger: CoverageLedger

    def about_page(self, page: Page) -> dict[str, Any]:
        """``meta`` of a page whose bars are at hand."""
        bars, told = page.bars, page.bars.told
        return {
            **self._common(page.extent, page.known, includes_forming=bars.forming > 0),
            "returned": len(bars),
            "filled": len(bars.filled),
            "sources": {source.value: count for source, count in bars.sources().items()},
            "provisional": sum(row.state is BarState.PROVISIONAL for row in told),
            "partial": sum(row.partial for row in told),
        }

    def about_stream(self, extent: Extent) -> dict[str, Any]:
        """The same as far as it is known before the first bar is read."""
        return {**self._common(extent, None, includes_forming=bool(self.reading.forming)), "returned": extent.returned}

    def _common(self, extent: Extent, stored: Document | None, *, includes_forming: bool) -> dict[str, Any]:
        reading = self.reading
        changed: list[datetime] = [known.updated_at for known in self.series if known]
        completeness, notes = self._completeness(extent, stored)
        return {
            "interval": reading.query.interval.value,
            "truncated": extent.more,
            **completeness,
            "includes_forming": includes_forming,
            "provider": ",".join(sorted({instrument.provider for instrument in reading.instruments})),
            "data_version": self.data_version,
            "updated_at": max(changed, default=None),
            "freshness": [
                self._freshness(position, instrument, known)
                for position, (instrument, known) in enumerate(zip(reading.instruments, self.series, strict=True))
            ],
            "adjustments": [
                split
                for instrument, known in zip(reading.instruments, self.series, strict=True)
                if known
                for split in described(instrument.symbol, known.adjustments)
            ],
            "notes": [*self.forming.notes, *notes],
        }

    def _freshness(self, position: int, instrument: Instrument, known: Series | None) -> dict[str, Any]:
        """How far the stored bars reach, how far they should by now, and how old the forming bar is."""
        expected = newest_expected(instrument, self.reading.query.interval, self.reading.now)
        last = known.last if known and known.count else None  # an emptied series still says where it ended
        is_current = last is not None and last.timestamp() >= expected.key if expected else None
        return {
            "symbol": instrument.symbol,
            "last": last,
            "expected_last": instant(expected.key) if expected else None,
            "is_current": is_current,
            "updated_at": known.updated_at if known else None,
            "forming_as_of": self.forming.as_of.get(position),
        }

    def _completeness(self, extent: Extent, stored: Document | None) -> tuple[dict[str, Any], list[str]]:
        covered = [self._covered(position, extent, stored) for position in range(len(self.reading.instruments))]
        known = [one for one in covered if one is not None]
        pairs = list(zip(self.reading.instruments, covered, strict=True))
        missing = [self._range(instrument, hole) for instrument, one in pairs if one for hole in one.holes]
        is_known = len(known) == len(covered)
        omitted = sum(one.omitted for one in known) + max(0, len(missing) - _MOST_RANGES)
        counts = {
            "expected": sum(one.expected for one in known) if is_known else None,
            "none_at_provider": sum(one.empty for one in known) if is_known else None,
            "missing_bars": sum(one.missing for one in known) if is_known else None,
            "missing": missing[:_MOST_RANGES],
            "missing_omitted": omitted,
        }
        return counts, [note for instrument, one in pairs for note in self._notes(instrument, one)]

    def _notes(self, instrument: Instrument, covered: Coverage | None) -> Iterator[str]:
        if covered is None:
            yield f"{instrument.symbol}: the range is too long to count what is expected in it"
        elif covered.known_from > covered.start:
            yield f"{instrument.symbol}: the calendar knows nothing before {instant(covered.known_from):%Y-%m-%d}"
        elif covered.missing and not covered.holes:
            yield f"{instrument.symbol}: the range is too long to list what is missing; /api/v1/coverage does"

    def _covered(self, position: int, extent: Extent, stored: Document | None) -> Coverage | None:
        """What the ledger says of the keys that the page speaks for; None where there are too many to count.

        Where the page was cut by the limit, or goes on after another, that is where the pages part; elsewhere the
        range as it was asked, until now at most, and from the first bar where no start was asked.
        """
        reading, known, interval = self.reading, self.series[position], self.reading.query.interval
        start, end = bounds(reading.query, position, extent.begin, extent.after)
        end = reading.now if end is None else min(end, reading.now)
        first = start if start is not None else int(known.first.timestamp()) if known else end
        length = (end - first) / (interval.seconds or DAY)
        if length > _MOST_COUNTED:
            return None
        instrument = reading.instruments[position]
        return self.ledger.coverage_of(
            stored or self.ledger.known(instrument, interval),
            instrument,
            interval,
            None if start is None else instant(start),
            instant(end),
            now=instant(reading.now),
            window_bars=_window_bars(instrument.provider),
            lists_holes=length <= _MOST_LISTED,
        )

    def _range(self, instrument: Instrument, hole: Hole) -> dict[str, Any]:
        """``end`` is where the last of the missing bars would have closed; a hole ends right after its key."""
        ((_, closes),) = spans(get_calendar(instrument.calendar), self.reading.query.interval, [hole.end - 1])
        return {
            "symbol": instrument.symbol,
            "start": instant(hole.start),
            "end": instant(closes),
            "bars": hole.bars,
            "reason": hole.reason.value,
            "recoverable_until": hole.recoverable_until,
            "detail": hole.detail,
        }


def _window_bars(provider: str) -> int | None:
    """How many bars back a provider reaches; None for no limit, and for symbols of nobody whom we know."""
    try:
        return provider_named(provider).capabilities.window_bars
    except InvalidRequest:
        return None

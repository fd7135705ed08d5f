"""The ledger of coverage: what is stored of a series, what is missing, why, and until when it can be had."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pymongo.database import Database

from domain.coverage import Hole, chunks_of, stretches
from domain.instrument import Instrument
from domain.interval import Interval
from domain.spans import DAY
from marketdata import coverage_chunks, series, tallies, upkeep
from marketdata.coverage_chunks import Chunk
from marketdata.documents import seconds
from marketdata.holes import Explainer
from marketdata.ledger_range import GRACE_SECONDS, SeriesRange, expected_bars
from marketdata.mongo import Document, unavailable
from marketdata.tallies import Tally

_MOST_HOLES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Of the bars of a series whose keys are in ``[start, end)`` (epoch seconds) and that have closed.

    ``expected`` by the calendar; of these ``stored``, ``empty`` (the provider has none) and ``missing``. ``extra`` are
    stored without being expected: early and late hours, days that the calendar knows otherwise. ``known_from``: where
    the calendar begins to know. ``holes``: the newest, at most so many as were asked for; ``omitted`` more.
    """

    start: int
    end: int
    expected: int = 0
    stored: int = 0
    empty: int = 0
    missing: int = 0
    extra: int = 0
    known_from: int = 0
    holes: tuple[Hole, ...] = ()
    omitted: int = 0

    @property
    def share(self) -> float | None:
        """Stored of what can be had, 0 to 1; None if nothing is expected."""
        wanted = self.expected - self.empty
        return None if self.expected == 0 else 1.0 if wanted == 0 else self.stored / wanted


@dataclass(frozen=True, slots=True)
class DayCoverage:
    """One UTC day of keys: ``day`` in epoch seconds."""

    day: int
    expected: int
    stored: int
    empty: int


class CoverageLedger:
    """Blocking; safe to use from several processes and threads. Raises StoreUnavailable while MongoDB is away.

    ``now`` is the present; a feed's delay is taken off. Ranges are ``[start, end)`` of keys.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._database = database

    def coverage(
        self,
        instrument: Instrument,
        interval: Interval,
        start: datetime | None,
        end: datetime,
        *,
        now: datetime,
        window_bars: int | None = None,
        lists_holes: bool = True,
        most_holes: int = _MOST_HOLES,
    ) -> Coverage:
        """The sum of a range; without ``start`` from the first bar on that ever was, nothing if there never was one.

        Without its holes (``lists_holes``) it costs a tenth.
        """
        return self.coverage_of(
            self.known(instrument, interval),
            instrument,
            interval,
            start,
            end,
            now=now,
            window_bars=window_bars,
            lists_holes=lists_holes,
            most_holes=most_holes,
        )

    def known(self, instrument: Instrument, interval: Interval) -> Document | None:
        """The series document, for ``coverage_of``."""
        return series.find(self._database, instrument, interval)

    def coverage_of(
        self,
        known: Document | None,
        instrument: Instrument,
        interval: Interval,
        start: datetime | None,
        end: datetime,
        *,
        now: datetime,
        window_bars: int | None = None,
        lists_holes: bool = True,
        most_holes: int = _MOST_HOLES,
    ) -> Coverage:
        """The same for those who have read the series document already (None: there is none), as for a matrix."""
        name = tallies.name(known, start, instrument.calendar) if end >= now else None
        tally = None if lists_holes else tallies.find(name, seconds(now))
        found = self._range(known, instrument, interval, start, end, now, reads_chunks=tally is None)
        if found is None:
            return Coverage(start=seconds(end), end=seconds(end))
        if tally is None:
            tally = Tally(found.stored, found.empty, found.unexpected(interval), seconds(now))
            if known is not None and seconds(known["last"]) < found.expected.closed_until:
                tallies.keep(name, tally)
        missing = found.expected.bars - tally.stored - tally.empty
        explainer = _explainer(found, instrument, interval, now, window_bars)
        holes: list[Hole] = []
        omitted = 0
        if lists_holes and missing:
            holes, omitted = explainer.newest(found.expected.bits, found.missing(), most_holes)
        return Coverage(
            start=found.start,
            end=found.end,
            expected=found.expected.bars,
            stored=tally.stored,
            empty=tally.empty,
            missing=missing,
            extra=tally.extra,
            known_from=found.expected.known_from,
            holes=tuple(holes),
            omitted=omitted,
        )

    def holes(
        self,
        instrument: Instrument,
        interval: Interval,
        start: datetime | None,
        end: datetime,
        *,
        now: datetime,
        window_bars: int | None = None,
    ) -> list[Hole]:
        """What is missing, ascending, neighbours joined. Bars that the provider did not have are among them once
        more when a day has passed since it was asked.
        """
        found = self._found(instrument, interval, start, end, now)
        if found is None:
            return []
        return sorted(self._holes(found, instrument, interval, now, window_bars), key=lambda hole: hole.start)

    def days(
        self, instrument: Instrument, interval: Interval, start: datetime, end: datetime, *, now: datetime
    ) -> list[DayCoverage]:
        """A strip of days; those without an expected or stored bar are left out."""
        found = self._found(instrument, interval, start, end, now)
        if found is None:
            return []
        chunks, days = chunks_of(interval), []
        for chunk_start, expected in found.expected.bits.items():
            chunk = found.chunks.get(chunk_start, Chunk(chunk_start))
            empty = (chunk.asked | chunk.settled) & ~chunk.stored
            for day in range(chunk_start, min(chunk_start + chunks.length, found.end), DAY):
                mask = chunks.mask(chunk_start, max(day, found.start), min(day + DAY, found.end))
                counts = [(bits & mask).bit_count() for bits in (expected, expected & chunk.stored, expected & empty)]
                if counts[0]:
                    days.append(DayCoverage(day, *counts))
        return days

    def verify(
        self,
        instrument: Instrument,
        interval: Interval,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> int:
        """Compare the bitmaps with the bars that are there and mend them; returns how many bits were wrong."""
        lower, upper = (None if each is None else seconds(each) for each in (start, end))
        return upkeep.verify(self._database, instrument, interval, lower, upper)

    def check(self, instrument: Instrument, interval: Interval, start: datetime | None, end: datetime | None) -> int:
        """``verify`` only where another number of bars is stored than the bitmaps say: a fraction of its cost."""
        lower, upper = (None if each is None else seconds(each) for each in (start, end))
        if lower is not None and upper is not None and lower >= upper:
            return 0
        is_whole = upkeep.is_whole(self._database, instrument, interval, lower, upper)
        return 0 if is_whole else self.verify(instrument, interval, start, end)

    # What is stored and what is expected

    def _found(
        self, instrument: Instrument, interval: Interval, start: datetime | None, end: datetime, now: datetime
    ) -> SeriesRange | None:
        return self._range(self.known(instrument, interval), instrument, interval, start, end, now)

    def _range(
        self,
        known: Document | None,
        instrument: Instrument,
        interval: Interval,
        start: datetime | None,
        end: datetime,
        now: datetime,
        *,
        reads_chunks: bool = True,
    ) -> SeriesRange | None:
        upkeep.bring_up(self._database, known, instrument, interval)
        begins = start if start is not None else _begun(known)
        if begins is None:
            return None
        lower, upper = seconds(begins), min(seconds(end), seconds(now))
        closed_by = seconds(now) - instrument.delay_seconds - GRACE_SECONDS
        chunks: dict[int, Chunk] = {}
        if reads_chunks and lower < upper:
            with unavailable():
                found = coverage_chunks.read(self._database, instrument, interval, lower, upper)
                chunks = {chunk.start: chunk for chunk in found}
        has_bars = known is not None and known.get("count")
        return SeriesRange(
            start=lower,
            end=upper,
            expected=expected_bars(instrument.calendar, interval, lower, upper, closed_by),
            chunks=chunks,
            last=seconds(known["last"]) if known and has_bars else upper,
            told_until=seconds(known["unconfirmed"]) if known and has_bars and "unconfirmed" in known else None,
        )

    def _holes(
        self, found: SeriesRange, instrument: Instrument, interval: Interval, now: datetime, window_bars: int | None
    ) -> Iterator[Hole]:
        """What counts as missing, ascending, then what is to be asked for once more."""
        explainer = _explainer(found, instrument, interval, now, window_bars)
        expected = found.expected.bits
        yield from explainer.holes(expected, found.missing())
        yield from map(explainer.known_empty, stretches(interval, expected, found.to_ask_again(interval, now)))


def _explainer(
    found: SeriesRange, instrument: Instrument, interval: Interval, now: datetime, window_bars: int | None
) -> Explainer:
    return Explainer(instrument=instrument, interval=interval, chunks=found.chunks, now=now, window_bars=window_bars)


def _begun(known: Document | None) -> datetime | None:
    """Where a series begins: its first bar, or one before it that was taken away behind our back."""
    if known is None:
        return None
    begun: datetime | None = known.get("begun")
    return begun if begun is not None or not known.get("count") else known["first"]

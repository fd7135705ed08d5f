"""BarRepository: closed bars at rest. With its neighbours the only module that speaks MongoDB."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from domain.bar import Bar, BarState
from domain.calendars import get_calendar
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import series, transactions, upkeep
from marketdata.bar_reader import BATCH, BarReader, bound
from marketdata.collections import ensure
from marketdata.decisions import authority
from marketdata.documents import Row, instant
from marketdata.series import Series
from marketdata.spans import spans


class SaveResult(NamedTuple):
    """What ``save`` did, in bars; ``version`` is the series' after it (0: no bar was ever stored)."""

    inserted: int = 0
    replaced: int = 0
    unchanged: int = 0
    version: int = 0

    def plus(self, other: SaveResult) -> SaveResult:
        return SaveResult(
            self.inserted + other.inserted,
            self.replaced + other.replaced,
            self.unchanged + other.unchanged,
            max(self.version, other.version),
        )


class BarRepository(BarReader):
    """Closed bars of all series. Blocking; safe to use from several processes and threads at once.

    Raises StoreUnavailable when MongoDB does not answer; whatever was asked may then be asked again.
    """

    def save(
        self, instrument: Instrument, interval: Interval, bars: Iterable[Bar], *, fence: int | None = None
    ) -> SaveResult:
        """Store closed bars of one series; durable on a majority when this returns.

        What is there already and equal is not written; what differs is replaced as ``decisions.decide`` rules. All
        of a batch of 5,000 is stored or none of it. Of two bars with the same key the later wins if it is not the
        weaker. ``fence`` is the token of the writer's lease on the series: LeaseLost if a later holder has written.
        Raises ValueError for a bar of another series, a bar that is still forming, or an instrument that is not
        registered.
        """
        wanted = _checked(instrument, interval, bars)
        result = SaveResult()
        if not wanted:
            known = self.series(instrument, interval)
            return result._replace(version=known.version if known else 0)
        ensure(self._database)
        # A transaction of so many: its log entry stays far below 16 MB, its time far below a second.
        for position in range(0, len(wanted), BATCH):
            batch = wanted[position : position + BATCH]
            saved = transactions.save(self._database, instrument, interval, batch, fence=fence)
            result = result.plus(SaveResult(*saved))
        return result

    def delete(self, instrument: Instrument, interval: Interval, start: datetime | None, end: datetime | None) -> int:
        """Take away the bars whose ``open_time`` is in ``[start, end)`` (None: open); returns how many there were."""
        ensure(self._database)
        return upkeep.delete(self._database, instrument, interval, bound(start), bound(end))

    def between(
        self,
        instrument: Instrument,
        interval: Interval,
        start: datetime | None,
        end: datetime | None,
        *,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> list[Bar]:
        """Bars whose ``open_time`` is in ``[start, end)`` (None: open), at most ``limit`` from the end asked for."""
        rows = list(self.rows(instrument, interval, start, end, limit=limit, newest_first=newest_first))
        ascending = rows[::-1] if newest_first else rows
        bars = _bars(instrument, interval, ascending)
        return bars[::-1] if newest_first else bars

    def latest(self, instrument: Instrument, interval: Interval, limit: int) -> list[Bar]:
        """The newest ``limit`` bars, oldest of them first."""
        return self.between(instrument, interval, None, None, limit=limit, newest_first=True)[::-1]

    def series(self, instrument: Instrument, interval: Interval) -> Series | None:
        """What is stored of this series; None if nothing ever was."""
        found = series.find(self._database, instrument, interval)
        return series.parse(found) if found else None


def _checked(instrument: Instrument, interval: Interval, bars: Iterable[Bar]) -> list[tuple[int, Bar]]:
    """Bars by the epoch second of their key, ascending, one for each key."""
    if not 0 < instrument.id < 1 << 32:
        raise ValueError(f"{instrument.symbol} is not registered: its bars have no place")
    by_key: dict[int, Bar] = {}
    symbol, forming = instrument.symbol, BarState.FORMING
    for bar in bars:
        if bar.interval is not interval or bar.symbol != symbol:
            raise ValueError(f"a bar of {bar.symbol} {bar.interval} among those of {symbol} {interval}")
        if bar.state is forming:
            raise ValueError(f"{symbol} {interval} {bar.open_time}: still forming, never stored")
        moment = bar.open_time.timestamp()  # exact for whole seconds, and three times as fast as a difference
        if moment % 1:
            raise ValueError(f"{symbol} {interval} {bar.open_time}: a key is a whole second")
        earlier = by_key.setdefault(int(moment), bar)
        if earlier is not bar and authority(bar) >= authority(earlier):
            by_key[int(moment)] = bar
    return sorted(by_key.items())


def _bars(instrument: Instrument, interval: Interval, rows: list[Row]) -> list[Bar]:
    found = spans(get_calendar(instrument.calendar), interval, [row.open_time for row in rows])
    return [
        Bar(
            symbol=instrument.symbol,
            interval=interval,
            open_time=instant(row.open_time),
            starts_at=instant(start),
            close_time=instant(end),
            open=row.open,
            high=row.high,
            low=row.low,
            close=row.close,
            volume=row.volume,
            trades=row.trades,
            state=row.state,
            source=row.source,
            partial=row.partial,
        )
        for row, (start, end) in zip(rows, found, strict=True)
    ]

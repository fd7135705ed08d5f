"""BarRepository: closed bars at rest. With its neighbours the only module that speaks MongoDB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database

from domain.bar import Bar, BarState
from domain.calendars import get_calendar
from domain.errors import NaiveTime, StoreUnavailable
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import adjustments, documents, series, transactions, upkeep
from marketdata.adjustments import Scale
from marketdata.collections import BARS, SERIES, ensure
from marketdata.decisions import authority
from marketdata.documents import Row, instant, seconds
from marketdata.mongo import Document, unavailable
from marketdata.series import Series
from marketdata.spans import spans

# One transaction holds this many bars: its log entry stays far below 16 MB, its time far below a second.
BATCH = 5_000


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


class BarRepository:
    """Closed bars of all series. Blocking; safe to use from several processes and threads at once.

    Raises StoreUnavailable when MongoDB does not answer; whatever was asked may then be asked again.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._database = database

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
        for position in range(0, len(wanted), BATCH):
            batch = wanted[position : position + BATCH]
            saved = transactions.save(self._database, instrument, interval, batch, fence=fence)
            result = result.plus(SaveResult(*saved))
        return result

    def delete(self, instrument: Instrument, interval: Interval, start: datetime | None, end: datetime | None) -> int:
        """Take away the bars whose ``open_time`` is in ``[start, end)`` (None: open); returns how many there were."""
        ensure(self._database)
        return upkeep.delete(self._database, instrument, interval, _second(start), _second(end))

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

    def rows(
        self,
        instrument: Instrument,
        interval: Interval,
        start: datetime | None,
        end: datetime | None,
        *,
        limit: int | None = None,
        newest_first: bool = False,
        batch: int = BATCH,
    ) -> Iterator[Row]:
        """The same as ``between`` in plain values, without spans: several times cheaper.

        All lie on the present scale, whatever splits there were. Raises StoreUnavailable if one is found while they
        are read.

        ``batch``: how many bars to fetch at once; few where only the first may be wanted.
        """
        lower, upper = documents.key_range(instrument.id, interval, _second(start), _second(end))
        if limit == 0:
            return
        with unavailable():
            # Beside a secondary index the planner would ignore the cluster: the hint keeps it on the range.
            batches = self._database[BARS].find_raw_batches(
                {"_id": {"$gte": lower, "$lt": upper}},
                hint={"_id": ASCENDING},
                sort=[("_id", DESCENDING if newest_first else ASCENDING)],
                limit=limit or 0,
                batch_size=batch,
            )
            scale: Scale | None = None
            for found in batches:
                # Read after the bars: so it knows of every split that they do.
                current = self._scale(instrument, interval)
                if scale not in (None, current):
                    raise StoreUnavailable(f"{instrument.symbol} {interval}: a split was found just now; ask again")
                scale = current
                yield from scale.read(documents.decode_all(found))

    def _scale(self, instrument: Instrument, interval: Interval) -> Scale:
        found = self._database[SERIES].find_one(
            {"_id": series.identity(instrument, interval)}, projection={"adjustment": 1}
        )
        return Scale(adjustments.decode((found or {}).get("adjustment", ())))

    def key_at(
        self,
        instrument: Instrument,
        interval: Interval,
        start: datetime | None,
        end: datetime | None,
        *,
        position: int,
        newest_first: bool = False,
    ) -> int | None:
        """The key of the bar that follows ``position`` others in ``[start, end)``, from the end asked for.

        None if there are not that many. The bars that are passed over stay in the server.
        """
        lower, upper = documents.key_range(instrument.id, interval, _second(start), _second(end))
        with unavailable():
            batches = self._database[BARS].find_raw_batches(
                {"_id": {"$gte": lower, "$lt": upper}},
                hint={"_id": ASCENDING},
                sort=[("_id", DESCENDING if newest_first else ASCENDING)],
                skip=position,
                limit=1,
            )
            return next((documents.open_time(document) for document in documents.split(batches)), None)

    def series(self, instrument: Instrument, interval: Interval) -> Series | None:
        """What is stored of this series; None if nothing ever was."""
        with unavailable():
            found = self._database[SERIES].find_one({"_id": series.identity(instrument, interval)})
        return series.parse(found) if found else None


def _second(moment: datetime | None) -> int | None:
    """Epoch second from which keys are included or excluded: a fraction of a second rounds up."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise NaiveTime(f"a time without a zone: {moment.isoformat()}; add Z or an offset")
    return seconds(moment) + (moment.microsecond > 0)


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

"""Recordings as bars: the lines that `manage.py replay --bars` writes, by either way of folding."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime

import numpy as np
import orjson

from domain.aggregation import Aggregator, BarEventKind
from domain.bar import Bar
from domain.bulk import BarColumns, BulkFold
from domain.instrument import Instrument
from domain.interval import Interval
from providers.recording import Recording
from providers.replay import Playback

_NS = 10**9
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


def bulk_lines(symbol: str, fold: BulkFold, lots_per_unit: int) -> Iterator[bytes]:
    """A JSON line for each bar, interval by interval, ascending. What is not over at the last tick is forming."""
    last_ns = fold.last_ns or 0
    for interval, columns in fold.bars().items():
        yield from _column_lines(symbol, interval, columns, lots_per_unit, last_ns)


class LiveBars:
    """The same bars out of the live fold, each as soon as nothing can change it any more."""

    def __init__(self, instrument: Instrument, recording: Recording, *, speed: float = math.inf) -> None:
        # Nothing is stored, so sizes stay as fine as they were recorded; and nothing is late in a recording.
        instrument = replace(instrument, lots_per_unit=recording.lots_per_unit, delay_seconds=0)
        self._symbol, self._recording = instrument.symbol, recording
        self._playback = Playback(recording, instrument.symbol, speed=speed)
        self._fold = Aggregator(grace_ns=0)
        self._fold.follow(instrument, lateness_ns=0)

    @property
    def played(self) -> int:
        """How many ticks were taken so far."""
        return self._playback.played

    @property
    def out_of_session(self) -> int:
        """How many of them are in no bar. None is late: a recording is played in the order of its times."""
        return self._fold.counts(self._symbol).out_of_session

    async def lines(self) -> AsyncIterator[list[bytes]]:
        """A JSON line for each bar, in batches; one even where no bar has settled."""
        fold, closed = self._fold, dict[tuple[Interval, datetime], Bar]()
        async for ticks in self._playback.batches():
            fold.add_many(ticks, None)
            yield [_bar_line(bar) for bar in _settled(fold, closed)]
        if len(self._recording):
            fold.close_due(int(self._recording.time_ns[-1]))
        ended = [*_settled(fold, closed), *closed.values()]
        running = [bar for interval in Interval if (bar := fold.forming(self._symbol, interval))]
        yield [_bar_line(bar) for bar in ended] + [_bar_line(bar, forming=True) for bar in running]


def _settled(fold: Aggregator, closed: dict[tuple[Interval, datetime], Bar]) -> list[Bar]:
    """What settled since the last call; ``closed`` keeps the latest versions of what has closed only."""
    settled = []
    for kind, bar in fold.drain():
        if kind is BarEventKind.SETTLED:
            closed.pop((bar.interval, bar.open_time), None)
            settled.append(bar)
        else:
            closed[bar.interval, bar.open_time] = bar
    return settled


def _column_lines(
    symbol: str, interval: Interval, columns: BarColumns, lots_per_unit: int, last_ns: int
) -> Iterator[bytes]:
    times = np.datetime_as_string(columns.key.astype("datetime64[s]")).tolist()
    prices = (column.tolist() for column in (columns.open, columns.high, columns.low, columns.close))
    volumes = [lots / lots_per_unit for lots in columns.lots.tolist()]  # of integers: rounded once, at the end
    over = (columns.end <= last_ns // _NS).tolist()  # in seconds: the year 2262 in nanoseconds fills the integer
    rows = zip(times, *prices, volumes, columns.trades.tolist(), over, strict=True)
    for time, open_, high, low, close, volume, trades, is_over in rows:
        yield _line(symbol, interval, f"{time}Z", open_, high, low, close, volume, trades, forming=not is_over)


def _bar_line(bar: Bar, *, forming: bool = False) -> bytes:
    return _line(
        bar.symbol,
        bar.interval,
        bar.open_time,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
        bar.trades,
        forming=forming,
    )


def _line(
    symbol: str,
    interval: Interval,
    open_time: datetime | str,
    open_: float,
    high: float,
    low: float,
    close: float,
    volume: float,
    trades: int | None,
    *,
    forming: bool,
) -> bytes:
    fields: dict[str, object] = {
        "symbol": symbol,
        "interval": interval.value,
        "open_time": open_time,
        "open": open_,
        "high": high,
        "low": low,
        "close": close,
        "volume": volume,
        "trades": trades,
    }
    if forming:
        fields["forming"] = True
    return orjson.dumps(fields, option=_OPTIONS)

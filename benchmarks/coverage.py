"""How long it takes to say how complete a hundred symbols are: one year of their minutes each.

Cold: in a process that has summed nothing yet, from a server of the benchmark's own; and what the same answer costs
when the keys of all stored bars are read and counted, which is what there is without a ledger (measured on one symbol).
Minutes are stored as the ledger stores them, without the bars themselves, which the sum does not touch.
``python -m benchmarks.coverage [--quick]``.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.database import Database

from benchmarks.store import MINUTE, own_mongod, random_bars
from domain.calendars import get_calendar
from domain.coverage import chunks_of, expect
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import coverage_chunks, series, upkeep
from marketdata.collections import SERIES, ensure
from marketdata.coverage_chunks import Chunk
from marketdata.ledger import CoverageLedger
from marketdata.repository import BarRepository
from marketdata.transact import transact

GOAL_SECONDS = 2.0
END = datetime(2026, 1, 1, tzinfo=UTC)
CALENDARS = ("24/7", "XNYS", "XLON", "XTKS")


def fill(database: Database[dict[str, Any]], symbols: int, days: int) -> list[Instrument]:
    """A year of minutes of so many symbols, every thousandth minute missing."""
    ensure(database)
    start = END - timedelta(days=days)
    instruments = []
    for number in range(1, symbols + 1):
        instrument = Instrument(symbol=f"BENCH:S{number}", id=number, calendar=CALENDARS[number % len(CALENDARS)])
        bits = _expected(instrument, start).bits
        hole = sum(1 << slot for slot in range(number % 1_000, chunks_of(Interval.M1).slots, 1_000))
        chunks = [Chunk(at, stored=found & ~hole, version=1) for at, found in bits.items()]
        transact(
            database,
            lambda session, i=instrument, c=chunks: coverage_chunks.write(database, session, i, Interval.M1, c),  # type: ignore[misc]  # binds them
            about=instrument.symbol,
        )
        database[SERIES].insert_one(
            {
                "_id": series.identity(instrument, Interval.M1),
                "mapped": True,
                "count": 1,
                "first": start,
                "last": END,
                "version": 1,
                "born": number,
            }
        )
        instruments.append(instrument)
    return instruments


def _expected(instrument: Instrument, start: datetime) -> Any:
    calendar, (lower, upper) = get_calendar(instrument.calendar), (int(each.timestamp()) for each in (start, END))
    return expect(calendar, Interval.M1, lower, upper, closed_by=upper)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small sample: shows that it runs, not how fast")
    options = parser.parse_args()
    symbols, days = (8, 30) if options.quick else (100, 365)
    with own_mongod() as (database, _):
        instruments = fill(database, symbols, days)
        ledger, start = CoverageLedger(database), END - timedelta(days=days)
        begun, share = time.perf_counter(), 0.0
        for instrument in instruments:
            found = ledger.coverage(instrument, Interval.M1, start, END, now=END, lists_holes=False)
            share += (found.share or 0) / symbols
        cold = time.perf_counter() - begun
        begun = time.perf_counter()
        for instrument in instruments:
            ledger.coverage(instrument, Interval.M1, start, END + MINUTE, now=END + MINUTE, lists_holes=False)
        later = time.perf_counter() - begun
        begun = time.perf_counter()
        listed = sum(
            len(ledger.coverage(instrument, Interval.M1, start, END, now=END, window_bars=5_000).holes)
            for instrument in instruments
        )
        with_holes = time.perf_counter() - begun
        bare = keys_of_one(database, days)
    verdict = "met" if cold < GOAL_SECONDS or options.quick else "MISSED"
    print(f"{symbols} symbols, {days} days of minutes, {share:.2%} there")
    print(f"sum, cold                 {cold:8.3f} s   goal < {GOAL_SECONDS:g} s   {verdict}")
    print(f"a minute later            {later:8.3f} s   (bitmaps are read again, calendars are not asked)")
    print(f"with {listed:>6,} holes told    {with_holes:8.3f} s")
    print(f"without a ledger          {bare * symbols:8.3f} s   (keys of one symbol read and counted, times {symbols})")


def keys_of_one(database: Database[dict[str, Any]], days: int) -> float:
    """Seconds that reading and counting the keys of one symbol's minutes takes."""
    instrument = Instrument(symbol="BENCH:KEYS", id=9_999)
    repository, count = BarRepository(database), min(days * 1_440, 50_000)
    for first in range(0, count, 5_000):
        bars = random_bars(5_000, first, seed=first)
        repository.save(Instrument(symbol="DEMO:BTCUSD", id=9_999), Interval.M1, bars)
    begun = time.perf_counter()
    upkeep.verify(database, instrument, Interval.M1, None, None)
    return (time.perf_counter() - begun) * days * 1_440 / count


if __name__ == "__main__":
    main()

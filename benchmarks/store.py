"""Closed bars to MongoDB: ours beside the bare limit and the usual upserts, interleaved in one run.

Every contender writes the same bars under the same write concern, a journaled majority, to a mongod of the
benchmark's own. Only ``save`` begins with our ``Bar`` objects and also reads the range, keeps the key unique and
raises the series document in a transaction; the bare ``insert_many`` is handed minimal documents (an int as ``_id``,
one-letter names) that were built beforehand. ``python -m benchmarks.store [--quick]``.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace
from pymongo import UpdateOne
from pymongo.database import Database

from domain.bar import Bar
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.collections import BARS, ensure
from marketdata.mongo import ACKNOWLEDGED, connect
from marketdata.repository import BarRepository
from pocketquant.embedded.mongod import Mongod
from pocketquant.embedded.sockets import wait_until_ready

BTC = Instrument(symbol="DEMO:BTCUSD", id=1, provider="demo")
START = datetime(2020, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TICKS = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """Seconds of one contender's turn: on the clock, of our CPU, of the server's CPU."""

    wall: float
    cpu: float
    server: float


@contextmanager
def own_mongod() -> Iterator[tuple[Database[dict[str, Any]], int]]:
    """A database on a fresh server, and the server's pid."""
    folder = Path(tempfile.mkdtemp(prefix="pq-bench-"))
    mongod = Mongod(data=folder / "data", run=folder / "run", log=folder / "mongod.log")
    mongod.start()
    try:
        wait_until_ready(mongod)
        yield connect(mongod.uri)["bench"], mongod.child.pid or 0
    finally:
        mongod.stop()
        shutil.rmtree(folder)


def random_bars(count: int, first: int, *, seed: int) -> list[Bar]:
    """Minutes ``first`` to ``first + count`` of a walk in cents, volumes in 1e-6."""
    dice, price, bars = random.Random(seed), 50_000_00, []
    for number in range(first, first + count):
        opened, price = price, price + round(dice.gauss(0, 900))
        high, low = max(opened, price) + dice.randrange(600), min(opened, price) - dice.randrange(600)
        opens = START + number * MINUTE
        bars.append(
            Bar(
                symbol=BTC.symbol,
                interval=Interval.M1,
                open_time=opens,
                starts_at=opens,
                close_time=opens + MINUTE,
                open=opened / 100,
                high=high / 100,
                low=low / 100,
                close=price / 100,
                volume=dice.randrange(1, 90_000_000) / 1e6,
            )
        )
    return bars


class Contenders:
    """Each writes one batch; what it prepares beforehand is not timed."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        plain = database.with_options(write_concern=ACKNOWLEDGED)
        self.repository = BarRepository(database)
        ensure(database)
        self.bare, self.usual = plain["bare"], plain["usual"]
        self.usual.create_index([("exchange", 1), ("symbol", 1), ("interval", 1), ("open_time", 1)], unique=True)

    def prepare_bare(self, bars: list[Bar]) -> Callable[[], object]:
        documents = [
            {
                "_id": int(bar.open_time.timestamp()),
                "o": bar.open,
                "h": bar.high,
                "l": bar.low,
                "c": bar.close,
                "v": bar.volume,
            }
            for bar in bars
        ]
        return lambda: self.bare.insert_many(documents, ordered=False)

    def prepare_save(self, bars: list[Bar]) -> Callable[[], object]:
        return lambda: self.repository.save(BTC, Interval.M1, bars)

    def prepare_upserts(self, bars: list[Bar]) -> Callable[[], object]:
        def write() -> None:
            self.usual.bulk_write([_upsert(bar) for bar in bars], ordered=False)

        return write


def _upsert(bar: Bar) -> UpdateOne:
    key = {"exchange": "DEMO", "symbol": "BTCUSD", "interval": "1m", "open_time": bar.open_time}
    values = {"open": bar.open, "high": bar.high, "low": bar.low, "close": bar.close, "volume": bar.volume}
    return UpdateOne(key, {"$set": values}, upsert=True)


def timed(work: Callable[[], object], server: int) -> Cost:
    before = time.perf_counter(), time.process_time(), server_seconds(server)
    work()
    after = time.perf_counter(), time.process_time(), server_seconds(server)
    return Cost(*(late - early for early, late in zip(before, after, strict=True)))


def server_seconds(pid: int) -> float:
    """CPU that the server has used, user and system; in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def run(database: Database[dict[str, Any]], server: int, *, batch: int, turns: int) -> dict[str, list[Cost]]:
    contenders = Contenders(database)
    costs: dict[str, list[Cost]] = {}
    for turn in range(turns + 1):  # the first warms up and is not counted
        bars = random_bars(batch, turn * batch, seed=turn)
        corrected = [_corrected(bar) for bar in bars]
        row = [
            ("bare insert_many", contenders.prepare_bare(bars)),
            ("save: all new", contenders.prepare_save(bars)),
            ("UpdateOne upserts: all new", contenders.prepare_upserts(bars)),
            ("save: all known", contenders.prepare_save(bars)),
            ("UpdateOne upserts: all known", contenders.prepare_upserts(bars)),
            ("save: all corrected", contenders.prepare_save(corrected)),
        ]
        gc.collect()
        gc.freeze()
        for name, work in row:
            cost = timed(work, server)
            if turn:
                costs.setdefault(name, []).append(cost)
    return costs


def _corrected(bar: Bar) -> Bar:
    return replace(bar, close=bar.open)


def bytes_a_bar(database: Database[dict[str, Any]], bars: int) -> float:
    """Data and indexes on disk of so many bars, after a checkpoint, in a database that holds nothing else."""
    fresh = database.client["size"]
    repository = BarRepository(fresh)
    for first in range(0, bars, 5_000):
        repository.save(BTC, Interval.M1, random_bars(5_000, first, seed=first))
    database.client.admin.command("fsync")
    stats = fresh.command("collStats", BARS)
    return float(stats["storageSize"] + stats["totalIndexSize"]) / float(stats["count"])


def report(costs: dict[str, list[Cost]], batch: int) -> None:
    def median(name: str, part: str) -> float:
        found: float = statistics.median(getattr(cost, part) for cost in costs[name])
        return found

    print(f"{'medians':32}  wall ms  our CPU ms  bars/s wall   server's CPU ms (mean)")
    for name in costs:
        took, cpu = median(name, "wall"), median(name, "cpu")
        server = statistics.fmean(cost.server for cost in costs[name])
        print(f"{name:32} {took * 1e3:8.1f} {cpu * 1e3:11.1f} {batch / took:12,.0f} {server * 1e3:12.0f}")
    # An upsert's cost lies in the server, whose CPU is told in steps of 10 ms: hence means, of both processes together.
    both = {name: statistics.fmean(cost.cpu + cost.server for cost in turns) for name, turns in costs.items()}
    wall, ours = ({name: median(name, part) for name in costs} for part in ("wall", "cpu"))
    for said, cost, is_goal in (
        ("CPU, ours and the server's", both, True),
        ("wall", wall, True),
        ("our CPU", ours, False),
    ):
        new, known = cost["save: all new"], cost["save: all known"]
        print(f"{said}:")
        print(
            f"  save / bare insert_many     {new / cost['bare insert_many']:6.2f}{'   goal <= 1.5' if is_goal else ''}"
        )
        upserts = cost["UpdateOne upserts: all new"] / new
        print(f"  upserts / save, all new     {upserts:6.1f}{'   goal >= 10' if is_goal else ''}")
        again = cost["UpdateOne upserts: all known"] / known
        print(f"  upserts / save, all known   {again:6.1f}{'   goal >= 5' if is_goal else ''}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small sample: shows that it runs, not how fast")
    options = parser.parse_args()
    batch, turns, stored = (1_000, 2, 10_000) if options.quick else (5_000, 9, 200_000)
    with own_mongod() as (database, server):
        print(f"batches of {batch:,} bars, journaled majority, mongod {database.client.server_info()['version']}")
        report(run(database, server, batch=batch, turns=turns), batch)
        print(f"bytes a bar on disk, {stored:,} bars: {bytes_a_bar(database, stored):.1f} (goal: at most 45)")


if __name__ == "__main__":
    main()

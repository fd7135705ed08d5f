"""A series as NumPy columns: ours beside a plain ``find``, a bare read of packed bytes, and ArcticDB on its own files.

Half a million minutes in one series. Ours is read from copies (as every time but the first) and for the first time,
when it makes them. The plain ``find`` gives what is usual: documents with long names under a unique index, six fields,
a list of dicts. ArcticDB (LMDB, its own process, its package in a venv of the benchmarks' own) reads its DataFrame.
Wall time, since servers work in other processes; ratios count. ``python -m benchmarks.arrays [--quick]``.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pymongo.database import Database

from benchmarks.peers import PeerMissing, interpreter
from benchmarks.store import BTC, START, own_mongod, random_bars
from domain.interval import Interval
from marketdata.collections import PACKED
from marketdata.packed import PackedBars
from marketdata.packing import Columns
from marketdata.repository import BarRepository

ARCTICDB = "6.28.2"
_FAR = 1 << 40
_WORKER = """
import json, sys, time, numpy as np, pandas as pd
from arcticdb import Arctic
columns = np.load(sys.argv[1])
frame = pd.DataFrame({name: columns[name] for name in "ohlcv"}, index=pd.to_datetime(columns["t"], unit="s"))
library = Arctic("lmdb://" + sys.argv[2]).get_library("bars", create_if_missing=True)
library.write("BTC", frame)
print("ready", flush=True)
for _ in sys.stdin:
    begun = time.perf_counter()
    data = library.read("BTC").data
    arrays = [data.index.to_numpy(), *(data[name].to_numpy() for name in "ohlcv")]
    print(time.perf_counter() - begun if len(arrays[0]) == len(columns["t"]) else -1, flush=True)
"""


class Arctic:
    """The peer's process: each ``read`` gives its seconds."""

    def __init__(self, python: Path, columns: Columns, folder: Path) -> None:
        saved = folder / "columns.npz"
        np.savez(
            saved,
            t=columns.open_time.astype(np.int64),
            o=columns.open,
            h=columns.high,
            l=columns.low,
            c=columns.close,
            v=columns.volume,
        )
        self._process = subprocess.Popen(
            [str(python), "-c", _WORKER, str(saved), str(folder / "arctic")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._line()

    def read(self) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write("read\n")
        self._process.stdin.flush()
        seconds = float(self._line())
        assert seconds > 0, "it read another number of bars"
        return seconds

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("ArcticDB's process ended early")
        return line

    def close(self) -> None:
        self._process.communicate()


def fill(database: Database[dict[str, Any]], count: int) -> None:
    """The same bars for us and, under long names with a unique index, for the plain find."""
    repository, plain = BarRepository(database), database["plain"]
    plain.create_index([("symbol", 1), ("interval", 1), ("open_time", 1)], unique=True)
    for first in range(0, count, 5_000):
        bars = random_bars(5_000, first, seed=first)
        repository.save(BTC, Interval.M1, bars)
        plain.insert_many(
            [
                {
                    "symbol": BTC.symbol,
                    "interval": "1m",
                    "open_time": bar.open_time,
                    "open": bar.open,
                    "high": bar.high,
                    "low": bar.low,
                    "close": bar.close,
                    "volume": bar.volume,
                }
                for bar in bars
            ],
            ordered=False,
        )


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def measured(database: Database[dict[str, Any]], count: int, rounds: int, arctic: Arctic | None) -> dict[str, float]:
    """Median seconds of each contender, taken in turn."""
    reader = PackedBars(database)
    start, end = int(START.timestamp()), _FAR
    fields = dict.fromkeys(("open_time", "open", "high", "low", "close", "volume"), 1) | {"_id": 0}
    query = {"symbol": BTC.symbol, "interval": "1m"}

    def ours() -> None:
        assert len(reader.read(BTC, Interval.M1, start, end, now=end).open) == count

    def first_time() -> None:
        database[PACKED].drop()
        ours()

    contenders: dict[str, Callable[[], object]] = {
        "arrays, from copies": ours,
        "packed bytes, thrown away": lambda: sum(map(len, database[PACKED].find_raw_batches({}, batch_size=1_000))),
        "plain find": lambda: len(list(database["plain"].find(query, fields))),
    }
    times: dict[str, list[float]] = {}
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        for name, work in contenders.items():
            times.setdefault(name, []).append(timed(work))
        if arctic is not None:
            times.setdefault("ArcticDB", []).append(arctic.read())
    times["arrays, the first time"] = [timed(first_time)]
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arrays", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small sample, without the peer: shows that it runs")
    options = parser.parse_args()
    count, rounds = (20_000, 3) if options.quick else (500_000, 7)
    with own_mongod() as (database, _), tempfile.TemporaryDirectory(prefix="pq-bench-") as folder:
        fill(database, count)
        columns = PackedBars(database).read(BTC, Interval.M1, int(START.timestamp()), _FAR, now=_FAR)
        arctic = None if options.quick else _peer(columns, Path(folder))
        found = measured(database, count, rounds, arctic)
        if arctic is not None:
            arctic.close()
    for name, seconds in found.items():
        print(f"{name:<28}{seconds * 1e3:>9.1f} ms{count / seconds:>14,.0f} bars/s")
    ours = found["arrays, from copies"]
    _say("plain find / arrays", found["plain find"] / ours, ">= 10", found["plain find"] / ours >= 10)
    _say("arrays / packed bytes, thrown away", ours / found["packed bytes, thrown away"])
    if "ArcticDB" in found:
        _say("arrays / ArcticDB", ours / found["ArcticDB"], "<= 3", ours / found["ArcticDB"] <= 3)


def _peer(columns: Columns, folder: Path) -> Arctic | None:
    try:
        return Arctic(interpreter("arcticdb", ARCTICDB), columns, folder)
    except PeerMissing as error:
        print(f"ArcticDB is left out: {error}")
        return None


def _say(words: str, ratio: float, goal: str = "", is_met: bool = True) -> None:
    told = f"   goal {goal}   {'met' if is_met else 'MISSED'}" if goal else ""
    print(f"  {words:<36}{ratio:>8.2f}{told}")


if __name__ == "__main__":
    main()

"""The ticks of the fold's race, and how a worker of it talks. Standard library only: the peer's Python runs it too."""

from __future__ import annotations

import gc
import hashlib
import json
import random
import sys
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

MINUTE_NS = 60 * 10**9
START_NS = 1_767_571_200 * 10**9  # 2026-01-05, a Monday, 00:00 UTC


class Trade(NamedTuple):
    """One trade: number of its symbol, event time, price in cents, size in hundredths."""

    symbol: int
    time_ns: int
    cents: int
    hundredths: int


class Case(NamedTuple):
    """So many symbols with so many ticks a minute each, so many ticks in all."""

    symbols: int
    per_minute: int
    ticks: int

    @property
    def end_ns(self) -> int:
        """The start of the last minute: what ends up to here is compared."""
        return START_NS + self.ticks // (self.symbols * self.per_minute) * MINUTE_NS - MINUTE_NS


def trades(case: Case) -> list[Trade]:
    """Random walks, evenly paced, none on a minute's boundary; the same each time."""
    chance = random.Random(11)
    step = MINUTE_NS // case.per_minute // case.symbols
    cents = [10_000 + 7 * number for number in range(case.symbols)]
    made = []
    for number in range(case.ticks):
        symbol = number % case.symbols
        cents[symbol] = max(100, cents[symbol] + chance.randrange(-3, 4))
        made.append(Trade(symbol, START_NS + number * step + step // 2, cents[symbol], chance.randrange(1, 100_000)))
    return made


BarRow = tuple[str, int, int, str, str, str, str, str]


def digest(rows: Iterable[BarRow], case: Case) -> str:
    """Of bars that ended before the last minute: interval, symbol, close time in ns, four prices, volume."""
    ended = sorted(row for row in rows if row[2] <= case.end_ns)
    return f"{len(ended)} bars, {hashlib.sha256(repr(ended).encode()).hexdigest()[:12]}"


def serve(variants: dict[str, Callable[[], Callable[[], int]]], check: Callable[[], str]) -> None:
    """Answer the driver, a line each: ``check``, or a variant's name for its CPU time in ns a tick.

    A variant prepares and gives what is to be timed; that gives the number of its ticks.
    """
    gc.collect()
    gc.freeze()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        name = line.strip()
        if name == "check":
            print(json.dumps(check()), flush=True)
            continue
        timed = variants[name]()
        gc.collect()
        gc.freeze()
        begun = time.process_time_ns()
        ticks = timed()
        spent = time.process_time_ns() - begun
        print(json.dumps(spent / ticks), flush=True)


def case_of(arguments: list[str]) -> Case:
    """The case of a worker's command line."""
    return Case(*(int(one) for one in arguments))

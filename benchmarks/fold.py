"""Ticks to bars of 13 intervals, beside NautilusTrader on the same ticks: ``python -m benchmarks.fold [--quick]``.

Each contender is a process of its own, prepared once; the driver lets them run in turn, so that whatever else the
machine does meets all alike. Compared are medians of CPU time, and of them only the ratios mean something. Before the
race both fold everything once and must have made the same bars.

The goals are set against the peer driven as its own engine drives it, one clock that moves with every tick; two drives
that cost it less, which its engine does not know, are shown beside them: see benchmarks/fold_nautilus.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.fold_market import Case
from benchmarks.peers import ROOT, PeerMissing, interpreter

PEER = ("nautilus_trader", "1.221.0")
_FAR = 0.7  # --strict fails where less than this share of a goal is reached: noise alone may take a fifth


class Worker:
    """A contender's process: one line asks, one line answers."""

    def __init__(self, python: Path | str, module: str, case: Case) -> None:
        self._process = subprocess.Popen(
            [str(python), "-m", module, *map(str, case)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def ask(self, name: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended early, exit code {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        self._process.communicate()


class Goal(NamedTuple):
    """``theirs`` must cost ``ratio`` times ``ours``; or at most that, where ``is_limit``. None: only shown."""

    words: str
    theirs: str
    ours: str
    ratio: float | None
    is_limit: bool = False


DENSE = [
    Goal("13 intervals, of its 13 bar types", "13 types", "all", 12),
    Goal("13 intervals, of its composite bars", "composite", "all", 2),
    Goal("  a clock for each symbol: its 13 bar types", "13 types own", "all", None),
    Goal("  a clock for each symbol: its composite bars", "composite own", "all", None),
    Goal("  clock once a minute: its 13 bar types", "13 types kind", "all", None),
    Goal("  clock once a minute: its composite bars", "composite kind", "all", None),
    Goal("13 intervals, of our minute bar alone", "all", "minute", 1.6, is_limit=True),
    Goal("bulk replay, of its 13 bar types", "13 types", "bulk", 80),
]
SPARSE = [
    Goal("13 intervals, of its 13 bar types", "13 types", "all", 6),
    Goal("13 intervals, of its composite bars", "composite", "all", 8),
    Goal("  a clock for each symbol: its 13 bar types", "13 types own", "all", None),
    Goal("  a clock for each symbol: its composite bars", "composite own", "all", None),
    Goal("  clock once a minute: its 13 bar types", "13 types kind", "all", None),
    Goal("  clock once a minute: its composite bars", "composite kind", "all", None),
]


def race(case: Case, goals: list[Goal], rounds: int, peer: Path | None) -> list[bool]:
    """Run one case and print a line a goal; whether each was reached, or nearly."""
    ours = Worker(sys.executable, "benchmarks.fold_ours", case)
    theirs = None if peer is None else Worker(peer, "benchmarks.fold_nautilus", case)
    if theirs is not None:
        mine, other = ours.ask("check"), theirs.ask("check")
        print(f"  both made the same bars: {mine}" if mine == other else f"  NOT THE SAME BARS: {mine} / {other}")
        if mine != other:
            return [False]
    turns = {name: ours for name in ("all", "minute", "bulk") if any(name in goal for goal in goals)}
    if theirs is not None:
        turns |= {goal.theirs: theirs for goal in goals if goal.theirs not in turns}
    costs: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, worker in turns.items():
            costs[name].append(worker.ask(name))
    medians = {name: statistics.median(found) for name, found in costs.items()}
    print("  ns CPU a tick: " + ", ".join(f"{name} {cost:,.0f}" for name, cost in medians.items()))
    for worker in (ours, theirs):
        if worker is not None:
            worker.close()
    return [_show(goal, medians) for goal in goals if goal.theirs in medians]


def _show(goal: Goal, medians: dict[str, float]) -> bool:
    found = medians[goal.theirs] / medians[goal.ours]
    if goal.ratio is None:
        print(f"  {goal.words:44} {found:7.2f}x")
        return True
    is_met = found <= goal.ratio if goal.is_limit else found >= goal.ratio
    sign = "<=" if goal.is_limit else ">="
    print(f"  {goal.words:44} {found:7.2f}x   goal {sign} {goal.ratio:g}x   {'met' if is_met else 'MISSED'}")
    share = goal.ratio / found if goal.is_limit else found / goal.ratio
    return share >= _FAR


def main() -> int:
    """The table; exit code 1 if the bars differ, or, if so wished, when a goal is missed by far."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fold", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the ticks: shows that it runs, not how fast")
    parser.add_argument("--strict", action="store_true", help="exit code 1 when a goal is missed by far")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    options = parser.parse_args()
    ticks = 25_000 if options.quick else 250_000
    try:
        peer = interpreter(*PEER)
    except PeerMissing as missing:
        print(f"  without {PEER[0]}: {missing}")
        peer = None
    reached = []
    for case, goals in ((Case(1, 100, ticks), DENSE), (Case(500, 5, ticks), SPARSE)):
        print(f"{case.symbols} symbols x {case.per_minute} ticks a minute, {case.ticks:,} ticks")
        reached += race(case, goals, 2 if options.quick else options.rounds, peer)
    return 1 if options.strict and not all(reached) else 0


if __name__ == "__main__":
    sys.exit(main())

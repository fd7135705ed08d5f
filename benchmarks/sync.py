"""A full sync from the demo market, beside the bare answers of the provider, interleaved in one run.

``python -m benchmarks.sync [--quick]``. Both ask the same demo market, a process of its own, for every series of some
symbols, over one connection. *Bare* throws the bars away; *sync* is what a worker does: it claims items in SQL, takes
leases, plans, asks, stores in transactions and notes what is covered. Then the same order again, when nothing is
missing, and once more with every bar asked for and compared.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
AT_ONCE = 4
GOAL_MICROSECONDS = 30.0


class Turn(NamedTuple):
    """What one contender's turn came to: bars, and seconds on the clock, of our CPU, of the others' CPU."""

    bars: int
    wall: float
    cpu: float
    market: float
    store: float


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


@contextmanager
def demo_market(symbols: int, folder: Path) -> Iterator[tuple[str, int]]:
    """A demo market with so many synthetic symbols: its URL and its pid."""
    command = [sys.executable, "manage.py", "demo_market", "--port", "0", "--symbols", str(symbols)]
    environment = {**os.environ, "POCKETQUANT_VAR": str(folder / "market")}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[3], process.pid
    finally:
        process.terminate()
        process.wait()


@contextmanager
def stores(var: Path) -> Iterator[int]:
    """MongoDB and Valkey where the settings expect them, and a migrated SQL database; the pid of mongod."""
    from django.core.management import call_command

    from pocketquant.embedded.mongod import Mongod
    from pocketquant.embedded.paths import run_dir
    from pocketquant.embedded.sockets import wait_until_ready
    from pocketquant.embedded.valkey import Valkey

    run = run_dir(var)
    mongod = Mongod(data=var / "mongodb", run=run, log=var / "mongod.log")
    valkey = Valkey(run=run, log=var / "valkey.log")
    mongod.start()
    valkey.start()
    try:
        wait_until_ready(valkey)
        wait_until_ready(mongod)
        call_command("migrate", verbosity=0)
        yield mongod.child.pid or 0
    finally:
        valkey.stop()
        mongod.stop()


class Bench:
    """Turns over the same series."""

    def __init__(self, symbols: int, market_pid: int, store_pid: int) -> None:
        from domain.interval import Interval
        from providers.demo.instruments import listings
        from symbols.services import add_symbols

        found = [one.instrument() for one in listings(synthetic_count=symbols) if one.symbol.startswith("DEMO:SYN")]
        registered = [symbol for symbol, _ in add_symbols(found, streaming=False)]
        self.series = [(symbol, interval) for symbol in registered for interval in Interval]
        self._market_pid, self._store_pid = market_pid, store_pid

    def turn(self, work: Callable[[], int]) -> Turn:
        market, store = cpu_seconds(self._market_pid), cpu_seconds(self._store_pid)
        wall, cpu = time.perf_counter(), time.process_time()
        bars = work()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        market, store = cpu_seconds(self._market_pid) - market, cpu_seconds(self._store_pid) - store
        return Turn(bars, wall, cpu, market, store)

    def bare(self) -> int:
        """All bars of all series, thrown away."""
        from symbols.sources import opened_provider

        now = datetime.now(UTC)
        with opened_provider("demo") as provider, ThreadPoolExecutor(AT_ONCE) as pool:

            def fetch(series: tuple[Any, Any]) -> int:
                symbol, interval = series
                pages = provider.fetch_bars(symbol.instrument(), interval, datetime(1970, 1, 1, tzinfo=UTC), now)
                return sum(map(len, pages))

            return sum(pool.map(fetch, self.series))

    def sync(self, *, missing_only: bool = True) -> int:
        """One run over all series, worked on as a worker would; how many bars it looked at."""
        from marketdata import runs
        from marketdata.models import ProviderPace
        from marketdata.processes import own_name
        from marketdata.runs_summary import progress_of
        from marketdata.sync_chunk import Chunk

        ProviderPace.objects.update_or_create(provider="demo", defaults={"concurrency": AT_ONCE})
        run, _ = runs.start(runs.Order(series=self.series, missing_only=missing_only, owner=own_name()))
        Chunk("demo", run.owner, run_id=run.pk, seconds=3_600).run()
        run.refresh_from_db()
        assert run.state == "completed", (run.state, list(run.items.values_list("interval", "state", "reason")))
        progress = progress_of([run.pk])[run.pk]
        return progress.inserted + progress.replaced + progress.unchanged

    def forget(self) -> None:
        """Empty the store, so that the next sync is the first."""
        from marketdata.mongo import database

        store = database()
        for name in store.list_collection_names():
            store[name].delete_many({})


def row(name: str, turns: list[Turn]) -> str:
    """Medians: bars a second, and microseconds of CPU a bar."""
    bars = statistics.median(turn.bars for turn in turns)
    wall = statistics.median(turn.wall for turn in turns)
    shares = [
        statistics.median(getattr(turn, part) / max(turn.bars, 1) * 1e6 for turn in turns)
        for part in ("cpu", "market", "store")
    ]
    return f"{name:<28}{bars:>10,.0f}{bars / wall:>12,.0f}" + "".join(f"{share:>12.1f}" for share in shares)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sync", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one symbol, one round")
    parser.add_argument("--symbols", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    symbols, rounds = (1, 1) if options.quick else (options.symbols, options.rounds)
    folder = Path(tempfile.mkdtemp(prefix="pq-bench-"))
    try:
        with demo_market(symbols, folder) as (url, market_pid):
            os.environ |= {
                "POCKETQUANT_VAR": str(folder / "var"),
                "POCKETQUANT_ENV_FILE": os.devnull,
                "DEMO_MARKET_URL": url,
                "DEMO_REQUESTS_PER_MINUTE": "1000000",
                "LOG_LEVEL": "WARNING",
                "DJANGO_SETTINGS_MODULE": "pocketquant.settings",
            }
            import django

            django.setup()
            with stores(folder / "var") as store_pid:
                report(Bench(symbols, market_pid, store_pid), rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def report(bench: Bench, rounds: int) -> None:
    bench.bare()  # the market remembers the days that it has made up
    turns: dict[str, list[Turn]] = {
        "bare answers": [],
        "sync": [],
        "again, nothing missing": [],
        "again, all compared": [],
    }
    for _ in range(rounds):
        bench.forget()
        turns["bare answers"].append(bench.turn(bench.bare))
        turns["sync"].append(bench.turn(bench.sync))
        turns["again, nothing missing"].append(bench.turn(bench.sync))
        turns["again, all compared"].append(bench.turn(lambda: bench.sync(missing_only=False)))
    print(f"{len(bench.series)} series, {AT_ONCE} at once, one connection; medians of {rounds}")
    print(f"{'':<28}{'bars':>10}{'bars/s':>12}{'us CPU/bar':>12}{'market':>12}{'mongod':>12}")
    for name, of_name in turns.items():
        print(row(name, of_name))
    ours = statistics.median(turn.cpu / turn.bars * 1e6 for turn in turns["sync"])
    ratio = statistics.median(
        sync.wall / bare.wall for sync, bare in zip(turns["sync"], turns["bare answers"], strict=True)
    )
    again = statistics.median(turn.wall for turn in turns["again, nothing missing"])
    verdict = "met" if ours < GOAL_MICROSECONDS else "MISSED"
    print(f"worker CPU {ours:.1f} us a bar; goal < {GOAL_MICROSECONDS:g}: {verdict}")
    print(f"time of a full sync over that of the bare answers: {ratio:.2f}x; with nothing missing {again:.2f} s in all")


if __name__ == "__main__":
    main()

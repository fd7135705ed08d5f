"""A full sync of many symbols, its cluster killed again and again: same end state, seconds lost, nothing written twice.

``python -m tests.chaos.sync_kills [--symbols 50] [--kills 5] [--seed 1] [--anew]``. Everything lies in a folder of its
own, with servers of its own; stopped in the middle, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.sync import demo_market, stores

ROOT = Path(__file__).resolve().parents[2]
WITHIN_SECONDS = 60.0
_LONGEST_SECONDS = 1_800.0


class Scenario:
    """``state`` is what has been reached; it is written down after each step."""

    def __init__(self, folder: Path, symbols: int, kills: int, seed: int) -> None:
        self._path = folder / "state.json"
        self._symbols, self._kills, self._seed = symbols, kills, seed
        self.state: dict[str, Any] = {"symbols": symbols, "kills": kills, "seed": seed, "lost": []}
        if self._path.exists():
            known = json.loads(self._path.read_text())
            if all(known[name] == self.state[name] for name in ("symbols", "kills", "seed")):
                self.state = known
                print(f"going on: {known}", flush=True)
            else:
                raise SystemExit(f"{self._path} is of another scenario: {known}; --anew forgets it")

    def _note(self, **values: Any) -> None:
        self.state |= values
        self._path.write_text(json.dumps(self.state))

    def run(self, url: str, log: Path) -> None:
        from tests.marketdata.sync.killed import Cluster, wait_until

        self._registered = self._register()
        with Cluster({"DEMO_MARKET_URL": url}, log) as cluster:
            run = self._ordered("run", missing_only=True)
            begun = time.monotonic()
            self._kill(cluster, run)
            wait_until(lambda: self._is_finished(run), _LONGEST_SECONDS, "the run ends")
            self._judge(run, time.monotonic() - begun)
            self._compare()
            before = self._settled()
            again = self._ordered("again", missing_only=False)
            wait_until(lambda: self._is_finished(again), _LONGEST_SECONDS, "the second run ends")
            self._judge_second(again)
            assert self._settled() == before

    def _register(self) -> list[Any]:
        from providers.demo.instruments import listings
        from symbols.services import add_symbols

        found = [one.instrument() for one in listings(synthetic_count=self._symbols)]
        found = [one for one in found if one.symbol.startswith("DEMO:SYN")]
        registered = [symbol for symbol, _ in add_symbols(found, streaming=False)]
        if "run" not in self.state:
            from marketdata.models import SyncRun

            SyncRun.objects.all().delete()  # their first syncs
        return registered

    def _ordered(self, name: str, *, missing_only: bool) -> Any:
        """The run of this name: the one that was ordered before, or a new one."""
        from domain.interval import Interval
        from marketdata import runs
        from marketdata.models import SyncRun

        if name in self.state:
            return SyncRun.objects.get(pk=self.state[name])
        now = datetime.now(UTC)
        series = [(symbol, interval) for symbol in self._registered for interval in Interval]
        end = None if missing_only else datetime.fromisoformat(self.state["run_at"])
        run, _ = runs.start(runs.Order(series=series, missing_only=missing_only, end=end))
        self._note(**{name: run.pk, f"{name}_at": now.isoformat()})
        return run

    def _kill(self, cluster: Any, run: Any) -> None:
        from tests.marketdata.sync.killed import ended, kill_on_the_way

        total = run.items.count()
        moments = sorted(random.Random(self._seed).sample(range(total // 20, total * 9 // 10), self._kills))
        for at in moments[len(self.state["lost"]) :]:
            if ended(run) < total:
                lost = kill_on_the_way(cluster, run, [at], within=WITHIN_SECONDS * 10)
                self._note(lost=[*self.state["lost"], round(lost[0], 1)])
                print(f"killed after {at} of {total} series; {lost[0]:.1f} s until the next one ended", flush=True)

    def _is_finished(self, run: Any) -> bool:
        run.refresh_from_db()
        return bool(run.is_finished)

    def _judge(self, run: Any, seconds: float) -> None:
        from marketdata.runs_summary import progress_of

        progress = progress_of([run.pk])[run.pk]
        print(f"{progress.total} series, {progress.inserted:,} bars in {seconds:.0f} s", flush=True)
        assert run.state == "completed", list(run.items.exclude(state="completed").values_list("state", "reason"))
        assert max(self.state["lost"], default=0) < WITHIN_SECONDS, self.state["lost"]

    def _compare(self) -> None:
        from marketdata.mongo import database
        from marketdata.repository import BarRepository
        from providers.demo.market import DemoMarket
        from tests.marketdata.sync.killed import assert_true_and_whole

        market = DemoMarket(1, synthetic_count=self._symbols)
        asked_at = datetime.fromisoformat(self.state["run_at"])
        count = assert_true_and_whole(BarRepository(database()), market, self._registered, asked_at)
        print(f"{count:,} bars equal the market's", flush=True)

    def _settled(self) -> dict[tuple[str, str], int]:
        from marketdata.mongo import database
        from marketdata.repository import BarRepository
        from tests.marketdata.sync.killed import settled

        return settled(BarRepository(database()), self._registered, datetime.fromisoformat(self.state["run_at"]))

    def _judge_second(self, run: Any) -> None:
        from marketdata.runs_summary import progress_of

        progress = progress_of([run.pk])[run.pk]
        print(
            f"again: {progress.unchanged:,} unchanged, {progress.replaced} replaced, {progress.inserted} of since",
            flush=True,
        )
        assert run.state == "completed" or run.state == "partial"
        assert progress.replaced == 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.sync_kills", description=__doc__)
    parser.add_argument("--symbols", type=int, default=50)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "chaos" / "sync_kills")
    parser.add_argument("--anew", action="store_true", help="forget what was done so far")
    options = parser.parse_args()
    if options.anew:
        shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True, exist_ok=True)
    with demo_market(options.symbols, options.folder) as (url, _):
        os.environ |= {
            "POCKETQUANT_VAR": str(options.folder / "var"),
            "POCKETQUANT_ENV_FILE": os.devnull,
            "DEMO_MARKET_URL": url,
            "DJANGO_SETTINGS_MODULE": "pocketquant.settings",
            "LOG_LEVEL": "WARNING",
        }
        import django

        django.setup()
        with stores(options.folder / "var"):
            Scenario(options.folder, options.symbols, options.kills, options.seed).run(
                url, options.folder / "cluster.log"
            )
    print("held")


if __name__ == "__main__":
    sys.exit(main())

"""What the commands share that fetch bars: a plan to look at, a run in the foreground or left to the workers."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TextIO, cast

from django.core.management.base import CommandError

from marketdata import runs
from marketdata.management.series import FAILED, INTERRUPTED, PARTLY, Asked, SeriesCommand
from marketdata.models import SyncItem, SyncRun
from marketdata.plan import SeriesPlan
from marketdata.processes import own_name
from marketdata.progress import Progress, progress
from marketdata.runs_estimate import estimated_seconds
from marketdata.runs_foreground import ForegroundRun
from marketdata.runs_outcomes import Outcome
from marketdata.sync_plans import plans
from marketdata.sync_rendering import plan_values
from marketdata.sync_results import SyncResult


class SyncCommand(SeriesCommand):
    """``order`` says what is wanted; the rest is the same for all."""

    asks_providers = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="show what would be asked for")
        parser.add_argument("--background", action="store_true", help="leave it to the workers; prints its number")

    def order(self, asked: Asked) -> runs.Order:
        raise NotImplementedError

    def run(self, asked: Asked) -> None:
        order = self.order(asked)
        if asked.options["dry_run"]:
            self._show_plan(order)
        elif asked.options["background"]:
            self._leave(order)
        else:
            self._judge(*self._work(order))

    def _show_plan(self, order: runs.Order) -> None:
        asked: list[SeriesPlan] = []
        for plan in plans(order.series, order.start, order.end, missing_only=order.missing_only):
            if plan.requests:
                asked.append(plan)
            if self.json:
                self.print_json([plan_values(plan)])
            elif plan.requests:
                spans = ", ".join(f"{one.start:%Y-%m-%d %H:%M} to {one.end:%Y-%m-%d %H:%M}" for one in plan.requests)
                words = f"{plan.bars:,} bars on {plan.pages} pages: {spans}"
                self.say(f"{plan.instrument.symbol} {plan.interval}: {words}")
        bars, pages = sum(plan.bars for plan in asked), sum(plan.pages for plan in asked)
        self.say(
            f"{len(asked):,} of {len(order.series):,} series, {bars:,} bars, {pages:,} requests, "
            f"about {estimated_seconds(asked):,.0f} s"
        )

    def _leave(self, order: runs.Order) -> None:
        run, _ = runs.start(order)
        if self.json:
            self.print_json([{"run": run.pk, "series": len(order.series)}])
        else:
            self.stdout.write(f"{run.pk}")

    def _work(self, order: runs.Order) -> tuple[SyncRun, dict[str, int]]:
        run, _ = runs.start(replace(order, owner=own_name()))
        counts = dict.fromkeys(SyncItem.State.values, 0)
        stream = cast(TextIO, self.stderr._out)  # Django's wrapper would end each piece of a line
        with progress(len(order.series), "series", stream=stream, is_quiet=self.quiet or self.json) as shown:

            def settled(outcome: Outcome, state: str) -> None:
                if state and state != SyncItem.State.PENDING:
                    counts[state] += 1
                    self._print(outcome, state, shown)

            work = ForegroundRun(run, settled=settled, waiting=lambda words: shown.say(words, always=True))
            with _interrupts(work):
                work.work()
        if work.is_stopped:
            runs.cancel(run, "interrupted")
            words = f"interrupted, {sum(counts.values())} of {len(order.series)} series done"
            more = "; run it again to go on: what is stored is not asked for again"
            raise CommandError(words + more * (sum(counts.values()) < len(order.series)), returncode=INTERRUPTED)
        return run, counts

    def _judge(self, run: SyncRun, counts: dict[str, int]) -> None:
        total = sum(counts.values())
        failed, partial = counts[SyncItem.State.ERROR], counts[SyncItem.State.PARTIAL]
        if failed and failed == total:
            raise CommandError(f"{failed} of {total} series failed", returncode=FAILED)
        if failed or partial:
            words = [f"{failed} failed"] * bool(failed) + [f"{partial} not whole"] * bool(partial)
            raise CommandError(f"of {total} series {', '.join(words)}; see run {run.pk}", returncode=PARTLY)

    def _print(self, outcome: Outcome, state: str, shown: Progress) -> None:
        item, result = outcome.item, outcome.result
        if self.json:
            row: dict[str, Any] = {"symbol": item.symbol.code, "interval": item.interval, "state": state}
            row |= {"error": str(outcome.error)} if outcome.error else {}
            self.print_json([row | (result._asdict() if result else {})])
        elif outcome.error is not None:
            shown.say(f"{item.symbol.code} {item.interval}: {outcome.error}", always=True)
        elif result is not None:
            shown.say(f"{item.symbol.code} {item.interval}: {_words(result)}")
        shown.advance(1)


def _words(result: SyncResult) -> str:
    words = f"{result.inserted} new, {result.replaced} replaced, {result.unchanged} unchanged"
    if result.first and result.last:
        words += f", {result.first:%Y-%m-%d %H:%M} to {result.last:%Y-%m-%d %H:%M}"
    words += f", {result.missing:,} missing" if result.missing else ""
    return words + (f"; {result.reason}" if result.reason else "")


@contextmanager
def _interrupts(work: ForegroundRun) -> Iterator[None]:
    """Ctrl-C finishes the pages in hand; a second one ends at once."""

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        work.stop()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

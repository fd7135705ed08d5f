"""History in a terminal: provider -> store, in the foreground or handed to the workers."""

from __future__ import annotations

import argparse
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from domain.errors import InvalidRequest, PocketQuantError, UnknownSymbol
from marketdata import runs
from marketdata.models import SyncItem, SyncRun
from marketdata.moments import HOW, parse_moment
from marketdata.plan import SeriesPlan
from marketdata.processes import own_name
from marketdata.progress import Progress, progress
from marketdata.runs_estimate import estimated_seconds
from marketdata.runs_foreground import ForegroundRun
from marketdata.runs_outcomes import Outcome
from marketdata.sync_orders import chosen_symbols, series_of
from marketdata.sync_plans import plans
from marketdata.sync_rendering import plan_values

EXAMPLES = f"""examples:
  manage.py sync_bars DEMO:BTCUSD --interval 1h --start -90d
  manage.py sync_bars NASDAQ:AAPL                 all 13 intervals, as far back as the provider goes
  manage.py sync_bars --exchange DEMO --dry-run   what would be asked for, and about how long it would take

Only what is missing or unconfirmed is asked for; --everything asks for the whole range again and compares.
moments: {HOW}.
exit code: 0 done (nothing to do as well), 1 failed, 2 wrong use, 3 some series failed or not whole, 130 interrupted.
"""
_WRONG_USE, _FAILED, _PARTLY, _INTERRUPTED = 2, 1, 3, 130
_DONE = (SyncItem.State.COMPLETED, SyncItem.State.UP_TO_DATE)


class Command(BaseCommand):
    help = EXAMPLES

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name,
            subcommand,
            usage="manage.py sync_bars NASDAQ:AAPL --interval 1h --start -90d\n"
            "       manage.py sync_bars [EXCHANGE:TICKER …] [--exchange …] [--interval …] [--start …] [--end …] …",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        # A value such as -90d would be taken for an option; argparse makes an exception for what looks like a number.
        parser._negative_number_matcher = re.compile(r"^-\d+(\.\d+)?[A-Za-z]*$")
        parser.add_argument("symbols", nargs="*", metavar="EXCHANGE:TICKER")
        parser.add_argument("--exchange", action="append", metavar="NASDAQ", help="all its symbols; repeat for several")
        parser.add_argument("--type", action="append", metavar="stock", help="all symbols of this type")
        parser.add_argument("--interval", action="append", metavar="1h", help="repeat for several; all 13 without")
        parser.add_argument("--start", help="first moment, included; without: as far back as the provider goes")
        parser.add_argument("--end", help="moment before which the last bar opens; without: now")
        parser.add_argument("--everything", action="store_true", help="not only what is missing: compare all")
        parser.add_argument("--dry-run", action="store_true", help="show what would be asked for")
        parser.add_argument("--background", action="store_true", help="leave it to the workers; prints its number")
        parser.add_argument("--json", action="store_true", help="one JSON object a series")
        parser.add_argument("--quiet", action="store_true", help="no words on stderr but errors")

    def handle(self, *args: Any, **options: Any) -> None:
        self.json, self.quiet = options["json"], options["quiet"]
        try:
            order = self._read(options)
            if options["dry_run"]:
                self._show_plan(order)
            elif options["background"]:
                self._leave(order)
            else:
                self._judge(*self._work(order))
        except (InvalidRequest, UnknownSymbol) as error:
            raise CommandError(str(error), returncode=_WRONG_USE) from error
        except PocketQuantError as error:
            raise CommandError(str(error), returncode=_FAILED) from error

    def _read(self, options: dict[str, Any]) -> runs.Order:
        now = timezone.now()
        start = parse_moment(options["start"], now) if options["start"] else None
        end = parse_moment(options["end"], now) if options["end"] else None
        if start is not None and start >= (end or now):
            raise InvalidRequest(f"--start {options['start']} is not before --end {options['end'] or 'now'}")
        symbols = chosen_symbols(
            options["symbols"], {"exchange": options["exchange"] or [], "type": options["type"] or []}
        )
        return runs.Order(
            series=series_of(symbols, options["interval"] or []),
            start=start,
            end=end,
            missing_only=not options["everything"],
            priority=SyncRun.Priority.SOON,
            owner="" if options["background"] else own_name(),
        )

    def _show_plan(self, order: runs.Order) -> None:
        asked: list[SeriesPlan] = []
        for plan in plans(order.series, order.start, order.end, missing_only=order.missing_only):
            if plan.requests:
                asked.append(plan)
            if self.json:
                self.stdout.write(orjson.dumps(plan_values(plan), option=orjson.OPT_UTC_Z).decode())
            elif plan.requests and not self.quiet:
                spans = ", ".join(f"{one.start:%Y-%m-%d %H:%M} to {one.end:%Y-%m-%d %H:%M}" for one in plan.requests)
                words = f"{plan.bars:,} bars on {plan.pages} pages: {spans}"
                self.stderr.write(f"{plan.instrument.symbol} {plan.interval}: {words}")
        if not self.quiet:
            bars, pages = sum(plan.bars for plan in asked), sum(plan.pages for plan in asked)
            self.stderr.write(
                f"{len(asked):,} of {len(order.series):,} series, {bars:,} bars, {pages:,} requests, "
                f"about {estimated_seconds(asked):,.0f} s"
            )

    def _leave(self, order: runs.Order) -> None:
        run, _ = runs.start(order)
        if self.json:
            self.stdout.write(orjson.dumps({"run": run.pk, "series": len(order.series)}).decode())
        else:
            self.stdout.write(f"{run.pk}")

    def _work(self, order: runs.Order) -> tuple[SyncRun, dict[str, int]]:
        run, _ = runs.start(order)
        counts = dict.fromkeys(SyncItem.State.values, 0)
        with progress(len(order.series), "series", is_quiet=self.quiet or self.json) as shown:

            def settled(outcome: Outcome, state: str) -> None:
                if state and state != SyncItem.State.PENDING:
                    counts[state] += 1
                    self._print(outcome, state, shown)

            work = ForegroundRun(run, settled=settled)
            with _interrupts(work):
                work.work()
        if work.is_stopped:
            left = order.series[sum(counts.values()) :]
            runs.cancel(run, "interrupted")
            words = "; run it again to go on: what is stored is not asked for again" if left else ""
            raise CommandError(f"interrupted, {sum(counts.values())} of {len(order.series)} series done{words}",
                               returncode=_INTERRUPTED)  # fmt: skip
        return run, counts

    def _judge(self, run: SyncRun, counts: dict[str, int]) -> None:
        total = sum(counts.values())
        failed, partial = counts[SyncItem.State.ERROR], counts[SyncItem.State.PARTIAL]
        if failed and failed == total:
            raise CommandError(f"{failed} of {total} series failed", returncode=_FAILED)
        if failed or partial:
            words = [f"{failed} failed"] * bool(failed) + [f"{partial} not whole"] * bool(partial)
            raise CommandError(f"of {total} series {', '.join(words)}; see run {run.pk}", returncode=_PARTLY)

    def _print(self, outcome: Outcome, state: str, shown: Progress) -> None:
        item, result = outcome.item, outcome.result
        name = f"{item.symbol.code} {item.interval}"
        if self.json:
            row: dict[str, Any] = {"symbol": item.symbol.code, "interval": item.interval, "state": state}
            row |= {"error": str(outcome.error)} if outcome.error else {}
            row |= result._asdict() if result else {}
            self.stdout.write(orjson.dumps(row, option=orjson.OPT_UTC_Z).decode())
        elif outcome.error is not None:
            self.stderr.write(f"{name}: {outcome.error}")
        elif result is not None:
            words = f"{result.inserted} new, {result.replaced} replaced, {result.unchanged} unchanged"
            if result.first and result.last:
                words += f", {result.first:%Y-%m-%d %H:%M} to {result.last:%Y-%m-%d %H:%M}"
            words += f", {result.missing:,} missing" if result.missing else ""
            words += f"; {result.reason}" if result.reason else ""
            if not self.quiet:
                self.stderr.write(f"{name}: {words}")
        shown.advance(1)


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

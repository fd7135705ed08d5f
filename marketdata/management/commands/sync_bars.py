"""History in a terminal: provider -> store, in the foreground."""

from __future__ import annotations

import argparse
import re
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from domain.errors import InvalidRequest, PocketQuantError, UnknownSymbol
from domain.interval import Interval
from marketdata.moments import HOW, parse_moment
from marketdata.mongo import database
from marketdata.repository import BarRepository
from marketdata.services import SyncResult, sync_bars, sync_latest
from providers.base import Provider
from symbols.models import Symbol
from symbols.services import normal_code, resolve_symbol
from symbols.sources import opened_provider

EXAMPLES = f"""examples:
  manage.py sync_bars DEMO:BTCUSD --interval 1h --start -90d
  manage.py sync_bars NASDAQ:AAPL                 all 13 intervals, from the last bar that history confirmed

moments: {HOW}.
exit code: 0 done (nothing to do as well), 1 failed, 2 wrong use, 3 some series failed, 130 interrupted.
"""
INTERRUPTED = 130


class Command(BaseCommand):
    help = EXAMPLES

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name,
            subcommand,
            usage="manage.py sync_bars NASDAQ:AAPL --interval 1h --start -90d\n"
            "       manage.py sync_bars EXCHANGE:TICKER … [--interval …] [--start …] [--end …] [--json] [--quiet]",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        # A value such as -90d would be taken for an option; argparse makes an exception for what looks like a number.
        parser._negative_number_matcher = re.compile(r"^-\d+(\.\d+)?[A-Za-z]*$")
        parser.add_argument("symbols", nargs="+", metavar="EXCHANGE:TICKER")
        parser.add_argument("--interval", action="append", metavar="1h", help="repeat for several; all 13 without")
        parser.add_argument("--start", help="first moment, included; without: where the last sync ended")
        parser.add_argument("--end", default="now", help="moment before which the last bar opens")
        parser.add_argument("--json", action="store_true", help="one JSON object a series")
        parser.add_argument("--quiet", action="store_true", help="no words on stderr")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            series = self._read(options)
        except (InvalidRequest, UnknownSymbol) as error:
            raise CommandError(str(error), returncode=2) from error
        failed = done = 0
        try:
            for symbol, interval in series:
                failed += not self._sync(symbol, interval)
                done += 1
        except KeyboardInterrupt as error:
            left = ", ".join(f"{symbol.code} {interval}" for symbol, interval in series[done:])
            raise CommandError(f"interrupted; run it again for {left}", returncode=INTERRUPTED) from error
        if failed:
            raise CommandError(f"{failed} of {len(series)} series failed", returncode=3 if failed < len(series) else 1)

    def _read(self, options: dict[str, Any]) -> list[tuple[Symbol, Interval]]:
        """The series to sync; the range and the manner are kept for all of them."""
        self.json, self.quiet = options["json"], options["quiet"]
        now = timezone.now()
        self.start = parse_moment(options["start"], now) if options["start"] else None
        self.end = parse_moment(options["end"], now)
        if self.start is not None and self.start >= self.end:
            raise InvalidRequest(f"--start {options['start']} is not before --end {options['end']}")
        intervals = [Interval.parse(text) for text in options["interval"] or Interval]
        symbols = [Symbol.objects.with_code(normal_code(code)) for code in options["symbols"]]
        return [(symbol, interval) for symbol in symbols for interval in intervals]

    def _sync(self, symbol: Symbol, interval: Interval) -> bool:
        """Sync one series and print what came of it; a failure does not keep the others from being tried."""
        try:
            with opened_provider(symbol.provider) as provider:
                resolve_symbol(symbol=symbol, provider=provider)
                result = self._run(symbol, interval, provider)
        except PocketQuantError as error:
            self._print(symbol, interval, {"error": str(error)})
            return False
        self._print(symbol, interval, result._asdict())
        return True

    def _run(self, symbol: Symbol, interval: Interval, provider: Provider) -> SyncResult:
        instrument, repository = symbol.instrument(), BarRepository(database())
        if self.start is None:
            return sync_latest(
                instrument=instrument, interval=interval, now=self.end, provider=provider, repository=repository
            )
        return sync_bars(
            instrument=instrument,
            interval=interval,
            start=self.start,
            end=self.end,
            provider=provider,
            repository=repository,
        )

    def _print(self, symbol: Symbol, interval: Interval, outcome: dict[str, Any]) -> None:
        if self.json:
            row = {"symbol": symbol.code, "interval": interval.value} | outcome
            self.stdout.write(orjson.dumps(row, option=orjson.OPT_UTC_Z).decode())
        elif "error" in outcome:
            self.stderr.write(f"{symbol.code} {interval}: {outcome['error']}")
        elif not self.quiet:
            span = (
                f", {outcome['first']:%Y-%m-%d %H:%M} to {outcome['last']:%Y-%m-%d %H:%M}" if outcome["first"] else ""
            )
            self.stderr.write(
                f"{symbol.code} {interval}: {outcome['inserted']} new, {outcome['replaced']} replaced, "
                f"{outcome['unchanged']} unchanged{span}"
            )

"""The registry in a terminal."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from domain.errors import InvalidRequest, PocketQuantError
from providers.demo import demo_instruments
from symbols.models import Symbol
from symbols.services import add_offline, add_symbol, add_symbols

EXAMPLES = """examples:
  manage.py symbols add NASDAQ:AAPL BINANCE:BTCUSDT
  manage.py symbols add EUREX:FDAX1! --offline --calendar XEUR
  manage.py symbols add-demo
  manage.py symbols list --json
"""


class Command(BaseCommand):
    help = EXAMPLES

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        add = verbs.add_parser("add", help="register symbols; their history is synced and they are followed live")
        add.add_argument("codes", nargs="+", metavar="EXCHANGE:TICKER")
        add.add_argument("--no-streaming", action="store_true", help="history only")
        add.add_argument("--offline", action="store_true", help="do not ask the provider: its bars are imported")
        add.add_argument("--calendar", default="", metavar="NAME", help="with --offline: 24/7, forex or a MIC")
        demo = verbs.add_parser("add-demo", help="register the symbols of the demo market; safe to repeat")
        listing = verbs.add_parser("list", help="what is registered")
        listing.add_argument("text", nargs="?", default="", help="part of a code or name")
        for verb in (add, demo, listing):
            verb.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        self.json: bool = options["json"]
        if options["verb"] == "add":
            if options["calendar"] and not options["offline"]:
                raise CommandError("--calendar goes with --offline: providers tell it otherwise", returncode=2)
            if options["offline"]:
                self._add(options["codes"], partial(add_offline, calendar=options["calendar"]))
            else:
                self._add(options["codes"], partial(add_symbol, streaming=not options["no_streaming"]))
        elif options["verb"] == "add-demo":
            for symbol, created in add_symbols(demo_instruments()):
                self._print(symbol, created=created)
        else:
            for symbol in Symbol.objects.select_related("exchange").matching(options["text"]):
                self._print(symbol)

    def _add(self, codes: list[str], add: Callable[..., tuple[Symbol, bool]]) -> None:
        """Each code by itself: one that is refused does not keep the others out. Exit 3 if some were taken."""
        refused: list[PocketQuantError] = []
        for code in codes:
            try:
                symbol, created = add(code=code)
            except PocketQuantError as error:
                self.stderr.write(f"{code}: {error}")
                refused.append(error)
                continue
            self._print(symbol, created=created)
        if refused:
            misused = all(isinstance(error, InvalidRequest) for error in refused)
            status = 3 if len(refused) < len(codes) else 2 if misused else 1
            raise CommandError(f"{len(refused)} of {len(codes)} not added", returncode=status)

    def _print(self, symbol: Symbol, *, created: bool | None = None) -> None:
        row = {
            "symbol": symbol.code,
            "name": symbol.name,
            "provider": symbol.provider,
            "calendar": symbol.calendar_name,
            "streaming": symbol.streaming,
            "status": symbol.status,
            "reason": symbol.status_reason,
        }
        if created is not None:
            row["created"] = created
        if self.json:
            self.stdout.write(orjson.dumps(row).decode())
            return
        words = "" if created is None else "added" if created else "known"
        details = symbol.status_reason or symbol.name
        self.stdout.write(f"{symbol.code:<24} {symbol.calendar_name:<8} {words:<6} {details}".rstrip())

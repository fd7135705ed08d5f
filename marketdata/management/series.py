"""What commands about series share: which they are about, and exit codes that tell failures apart."""

from __future__ import annotations

import argparse
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from domain.errors import InvalidRequest, PocketQuantError, UnknownSymbol
from domain.interval import Interval
from marketdata.moments import HOW, parse_moment
from marketdata.sync_orders import chosen_symbols
from symbols.models import Symbol

FAILED, WRONG_USE, PARTLY, INTERRUPTED = 1, 2, 3, 130
MOMENTS = f"moments: {HOW}."


class Asked(NamedTuple):
    """Which series a command is about: bars that open in ``[start, end)``, None being open; and its other options."""

    symbols: list[Symbol]
    intervals: list[Interval]
    start: datetime | None
    end: datetime | None
    options: dict[str, Any]

    @property
    def series(self) -> list[tuple[Symbol, Interval]]:
        return [(symbol, interval) for symbol in self.symbols for interval in self.intervals]


class SeriesCommand(BaseCommand):
    """A command about the series that its arguments choose. ``examples`` begin its help; ``run`` does the work."""

    examples = ""
    all_without_symbols = False
    asks_providers = False

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        self.help = self.examples
        parser = super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )
        # A value such as -90d would be taken for an option; argparse makes an exception for what looks like a number.
        parser._negative_number_matcher = re.compile(r"^-\d+(\.\d+)?[A-Za-z]*$")
        return parser

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("symbols", nargs="*", metavar="EXCHANGE:TICKER")
        parser.add_argument("--exchange", action="append", metavar="NASDAQ", help="all its symbols; repeat for several")
        parser.add_argument("--type", action="append", metavar="stock", help="all symbols of this type")
        parser.add_argument("--interval", action="append", metavar="1h", help="repeat for several; all 13 without")
        parser.add_argument("--start", help="first open time, included")
        parser.add_argument("--end", help="open time before which the last bar opens; now without")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")
        parser.add_argument("--quiet", action="store_true", help="no words on stderr but errors")

    def handle(self, *args: Any, **options: Any) -> None:
        self.json, self.quiet, self.now = options["json"], options["quiet"], timezone.now()
        try:
            with _logs_from(logging.ERROR if self.quiet else logging.WARNING):
                self.run(Asked(self._symbols(options), self._intervals(options), *self._range(options), options))
        except (InvalidRequest, UnknownSymbol) as error:
            raise CommandError(str(error), returncode=WRONG_USE) from error
        except (PocketQuantError, OSError) as error:
            raise CommandError(str(error), returncode=FAILED) from error
        except DatabaseError as error:
            words = f"the database says: {error}; `manage.py migrate` sets it up and brings it up to date"
            raise CommandError(words, returncode=FAILED) from error
        except KeyboardInterrupt as error:
            raise CommandError("interrupted", returncode=INTERRUPTED) from error

    def run(self, asked: Asked) -> None:
        raise NotImplementedError

    def _symbols(self, options: dict[str, Any]) -> list[Symbol]:
        filters = {"exchange": options["exchange"] or [], "type": options["type"] or []}
        if self.all_without_symbols and not options["symbols"] and not any(filters.values()):
            return list(Symbol.objects.provided() if self.asks_providers else Symbol.objects.active())
        return chosen_symbols(options["symbols"], filters)

    def _intervals(self, options: dict[str, Any]) -> list[Interval]:
        return list(dict.fromkeys(Interval.parse(text) for text in options["interval"] or Interval))

    def _range(self, options: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
        start, end = (parse_moment(options[name], self.now) if options[name] else None for name in ("start", "end"))
        if start is not None and start >= (end or self.now):
            raise InvalidRequest(f"--start {options['start']} is not before --end {options['end'] or 'now'}")
        return start, end

    def print_json(self, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            self.stdout.write(orjson.dumps(row, option=orjson.OPT_UTC_Z).decode())

    def say(self, text: str) -> None:
        if not self.quiet:
            self.stderr.write(text)


@contextmanager
def _logs_from(level: int) -> Iterator[None]:
    """Of what services log, only this and graver: the command tells the rest in words. LOG_LEVEL=DEBUG shows all."""
    log = logging.getLogger("marketdata")
    before = log.level
    if not log.isEnabledFor(logging.DEBUG):
        log.setLevel(level)
    try:
        yield
    finally:
        log.setLevel(before)

"""Files of bars -> store, with everything told before anything is written."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from domain.errors import InvalidRequest, PocketQuantError, UnknownSymbol
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.files.changes import Preview, Series, import_bars, preview
from marketdata.files.drafts import Problem, Reader, Reading
from marketdata.files.layout import TimeIs
from marketdata.files.rolling import rolled_up
from marketdata.mongo import database
from marketdata.progress import Progress, progress
from marketdata.repository import BarRepository
from symbols.models import Symbol
from symbols.services import normal_code

EXAMPLES = """examples:
  manage.py import_bars NASDAQ-AAPL_1h.csv                               a file of ours: it says what it is
  manage.py import_bars spy.csv.gz --symbol AMEX:SPY --interval 1d
  manage.py import_bars minutes.csv --symbol NASDAQ:AAPL --interval 1m --session extended --dry-run
  manage.py import_bars local.csv --symbol SP:SPX --interval 1m --time-zone America/New_York --time-is end
  manage.py import_bars eurusd.parquet --symbol FX:EURUSD --interval 1d --price bid
  manage.py import_bars yahoo.csv --symbol NASDAQ:INTC --interval 1d --ignore-column adj_close

A header line names the columns: a time, open, high, low, close, and as there are volume, trades, symbol, interval.
Nothing is written while any row is wrong, unless --skip-bad says to leave those aside.
exit code: 0 done (nothing to do as well), 1 failed, 2 wrong use, 3 imported without the bad rows, 130 interrupted.
"""
_FAILED, _WRONG_USE, _PARTLY, _INTERRUPTED = 1, 2, 3, 130
_MOST_SHOWN = 100


class Command(BaseCommand):
    help = EXAMPLES

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="CSV, CSV.gz or Parquet")
        parser.add_argument("--symbol", metavar="EXCHANGE:TICKER", help="unless a column says it")
        parser.add_argument("--interval", metavar="1h", help="unless a column says it")
        parser.add_argument(
            "--column", action="append", default=[], metavar="FIELD=NAME", help="what a column is called"
        )
        parser.add_argument("--ignore-column", action="append", default=[], metavar="NAME", help="leave it aside")
        parser.add_argument("--time-is", choices=tuple(TimeIs), help="which end of the bar the time names")
        parser.add_argument("--time-zone", metavar="ZONE", help="of times that have none, for example Europe/Berlin")
        parser.add_argument("--price", choices=("bid", "ask"), help="which one, where the file has both")
        parser.add_argument(
            "--session",
            choices=("regular", "extended"),
            default="regular",
            help="extended: earlier and later hours too",
        )
        parser.add_argument("--roll-up", action="store_true", help="make the coarser intervals of these bars as well")
        parser.add_argument("--skip-bad", action="store_true", help="import the good rows though others are bad")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, write nothing")
        parser.add_argument("--no-input", action="store_true", help="never ask")
        parser.add_argument(
            "--json",
            action="store_true",
            help="one JSON object a line: problems, then series, or previews of them where nothing is written",
        )
        parser.add_argument("--quiet", action="store_true", help="no progress and no remarks")

    def handle(self, *args: Any, **options: Any) -> None:
        self.json, self.quiet = options["json"], options["quiet"]
        try:
            self._import(options)
        except (InvalidRequest, UnknownSymbol) as error:
            raise CommandError(str(error), returncode=_WRONG_USE) from error
        except (PocketQuantError, OSError) as error:
            raise CommandError(str(error), returncode=_FAILED) from error
        except KeyboardInterrupt as error:
            raise CommandError(
                "interrupted; what was written stays, run it again for the rest", returncode=_INTERRUPTED
            ) from error

    def _import(self, options: dict[str, Any]) -> None:
        now = timezone.now()
        reader = Reader(_reading(options, now), _SeriesFinder(options["symbol"], options["interval"]))
        for path in options["files"]:
            reader.read(path)
        self._tell(reader)
        repository = BarRepository(database())
        series = list(_series(reader, repository, now if options["roll_up"] else None))
        previews = [preview(repository, each) for each in series]
        bad = len(reader.problems)
        is_refused = bool(bad) and not options["skip_bad"]
        for each, found in zip(series, previews, strict=True):
            self._show(each, found, is_all=is_refused or options["dry_run"])
        if is_refused:
            raise CommandError(
                f"{bad} of {reader.rows} rows are bad: nothing was imported; --skip-bad would leave them aside",
                returncode=_FAILED,
            )
        if options["dry_run"]:
            self._say("nothing was written: this was a dry run")
            return
        changed = sum(found.changed for found in previews)
        if changed and not options["no_input"] and sys.stdin.isatty() and not _is_agreed(changed):
            raise CommandError("nothing was imported", returncode=_FAILED)
        total = sum(len(each.bars) for each in series)
        with progress(total, "bars", is_quiet=self.quiet or self.json) as shown:
            for each in series:
                self._write(repository, each, shown)
        if bad:
            raise CommandError(f"{bad} of {reader.rows} rows were left aside", returncode=_PARTLY)

    def _tell(self, reader: Reader) -> None:
        for problem in reader.problems if self.json else reader.problems[:_MOST_SHOWN]:
            self._tell_problem(problem)
        if not self.json and len(reader.problems) > _MOST_SHOWN:
            self.stderr.write(f"… and {len(reader.problems) - _MOST_SHOWN} more bad rows (--json lists them all)")
        for remark in reader.remarks:
            self._say(remark)
        for draft in reader.drafts.values():
            if draft.unknown:
                self._say(
                    f"{draft.instrument.symbol} {draft.interval}: {draft.unknown} bars lie where the calendar "
                    f"{draft.instrument.calendar} does not reach; they are taken as they are"
                )

    def _tell_problem(self, problem: Problem) -> None:
        if self.json:
            self._print_json({"problem": problem._asdict()})
        else:
            self.stderr.write(f"{problem.file}, line {problem.line}: {problem.text}")

    def _show(self, series: Series, found: Preview, *, is_all: bool) -> None:
        """``is_all``: this is all that will be told, since nothing is written."""
        bars = series.bars
        if self.json and is_all:
            counts = found._asdict()
            del counts["examples"]
            self._print_json({"preview": _named(series) | {"bars": len(bars)} | counts})
        if self.quiet or not bars:
            return
        self.stderr.write(
            f"{series}: {len(bars)} bars, {bars[0].open_time:%Y-%m-%d %H:%M} to {bars[-1].open_time:%Y-%m-%d %H:%M} "
            f"UTC: {found.new} new, {found.changed} changed, {found.unchanged} unchanged"
            + (
                f", {found.outranked} differ from what the provider's history says, which stays"
                if found.outranked
                else ""
            )
        )
        for old, bar in found.examples:
            self.stderr.write(
                f"  {bar.open_time:%Y-%m-%d %H:%M}: {old.open} {old.high} {old.low} {old.close} {old.volume} "
                f"-> {bar.open} {bar.high} {bar.low} {bar.close} {bar.volume}"
            )

    def _write(self, repository: BarRepository, series: Series, shown: Progress) -> None:
        def advanced(bars: int) -> None:
            shown.advance(bars, str(series))

        inserted, replaced, unchanged = import_bars(repository, series, advanced=advanced)
        if self.json:
            self._print_json(_named(series) | {"inserted": inserted, "replaced": replaced, "unchanged": unchanged})
        else:
            shown.say(f"{series}: {inserted} new, {replaced} replaced, {unchanged} unchanged")

    def _print_json(self, row: dict[str, Any]) -> None:
        self.stdout.write(orjson.dumps(row).decode())

    def _say(self, text: str) -> None:
        if not self.quiet:
            self.stderr.write(text)


def _named(series: Series) -> dict[str, str]:
    return {"symbol": series.instrument.symbol, "interval": series.interval.value}


class _SeriesFinder:
    """The series of a row: what its columns say, else what the options say; both, and they must agree."""

    def __init__(self, symbol: str | None, interval: str | None) -> None:
        self._symbol = normal_code(symbol) if symbol else None
        self._interval = Interval.parse(interval) if interval else None
        self._instruments: dict[str, Instrument] = {}
        if self._symbol is not None:
            self._instrument(self._symbol)

    def __call__(self, symbol: str | None, interval: str | None) -> tuple[Instrument, Interval]:
        code = normal_code(symbol) if symbol else self._symbol
        if code is None:
            raise InvalidRequest("no column says which symbol this is: give --symbol EXCHANGE:TICKER")
        if self._symbol is not None and code != self._symbol:
            raise InvalidRequest(f"a bar of {code}, not of {self._symbol}")
        found = Interval.parse(interval) if interval else self._interval
        if found is None:
            raise InvalidRequest("no column says which interval this is: give --interval")
        if self._interval is not None and found is not self._interval:
            raise InvalidRequest(f"a bar of {found}, not of {self._interval}")
        return self._instrument(code), found

    def _instrument(self, code: str) -> Instrument:
        if code not in self._instruments:
            self._instruments[code] = Symbol.objects.with_code(code).instrument()
        return self._instruments[code]


def _series(reader: Reader, repository: BarRepository, rolls_up_at: datetime | None) -> Iterator[Series]:
    for draft in reader.drafts.values():
        yield Series(draft.instrument, draft.interval, draft.bars)
        if rolls_up_at is not None:
            yield from rolled_up(repository, draft, now=rolls_up_at)


def _reading(options: dict[str, Any], now: datetime) -> Reading:
    columns: dict[str, str] = {}
    for text in options["column"]:
        name, equals, column = text.partition("=")
        if not equals or not column:
            raise InvalidRequest(f"--column {text}: write FIELD=NAME, for example --column close=Last")
        columns[name] = column
    zone = None
    if options["time_zone"]:
        try:
            zone = ZoneInfo(options["time_zone"])
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise InvalidRequest(
                f"--time-zone {options['time_zone']}: no such zone; for example America/New_York"
            ) from error
    return Reading(
        now=now,
        columns=columns,
        ignored=options["ignore_column"],
        price=options["price"],
        time_is=TimeIs(options["time_is"]) if options["time_is"] else None,
        zone=zone,
        extended=options["session"] == "extended",
    )


def _is_agreed(changed: int) -> bool:
    sys.stderr.write(f"{changed} stored bars will be changed. Go on? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")

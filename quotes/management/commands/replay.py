"""Plays recordings of ticks through the fold."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from domain.calendars import get_calendar
from domain.errors import InvalidRequest, PocketQuantError, UnknownSymbol
from domain.instrument import Instrument, is_symbol
from providers.recording import Recording, fold_at_once, load
from providers.tick_doubts import Doubts
from quotes.replay import LiveBars, bulk_lines
from quotes.replay_output import Words, Write, ending_cleanly, lines_to
from symbols.models import Symbol

if TYPE_CHECKING:
    from quotes.player import Played

EXAMPLES = """examples:
  manage.py replay trades.csv.gz --symbol BINANCE:XRPETH --bars -
  manage.py replay monday.csv tuesday.csv --symbol FX:EURUSD --price bid --calendar forex --bars bars.jsonl
  manage.py replay trades.csv.gz --symbol BINANCE:XRPETH --speed 60

Files are CSV or CSV.gz with a header line: ts_ns,price,size or ts_ns,bid,ask; other columns are left aside.
"""
_WRONG_USE, _FAILED, _INTERRUPTED = 2, 1, 130
_LINES_AT_ONCE = 2_000
_DAY_SECONDS = 86_400
_MANY_DAYS = 1e6


class Command(BaseCommand):
    help = EXAMPLES
    requires_system_checks = ()  # bars need nothing of the site

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="played one after another")
        parser.add_argument("--symbol", required=True, metavar="EXCHANGE:TICKER")
        parser.add_argument("--speed", type=_speed, help="times faster than recorded, or max; 1, with --bars max")
        parser.add_argument("--price", choices=("bid", "ask", "mid"), help="which one of quotes; mid")
        parser.add_argument("--bars", metavar="PATH", help="write bars as JSON lines (- for stdout), store nothing")
        parser.add_argument("--calendar", help="24/7, forex or a MIC; the registered symbol's, else 24/7")
        parser.add_argument("--quiet", action="store_true", help="no progress")

    def handle(self, *args: Any, **options: Any) -> None:
        self.words = Words(self.stderr.write, quiet=options["quiet"])
        self.doubts = Doubts()
        try:
            with ending_cleanly(self.words.say):
                self._play(options) if options["bars"] is None else self._write_bars(options)
        except InvalidRequest as error:
            raise CommandError(str(error), returncode=_WRONG_USE) from error
        except BrokenPipeError:
            sys.exit(_FAILED)  # whoever read our lines has gone
        except DatabaseError as error:
            raise CommandError(_why(error), returncode=_FAILED) from error
        except (PocketQuantError, OSError) as error:
            raise CommandError(str(error), returncode=_FAILED) from error
        except KeyboardInterrupt:
            self.words.say("interrupted; run it again to begin anew, which is safe")
            sys.exit(_INTERRUPTED)

    def _write_bars(self, options: dict[str, Any]) -> None:
        instrument = _instrument(options["symbol"], options["calendar"])
        target, speed = options["bars"], options["speed"]
        _check_files(options["files"], target)
        with lines_to(target, self._say_lines) as write:
            if speed in (None, math.inf):
                self._write_at_once(instrument, options, write)
            else:
                recording = self._loaded(options, speed)
                bars = LiveBars(instrument, recording, speed=speed)
                asyncio.run(_write_live(bars, write, self.words.at))
                self.words.end(bars.played, bars.out_of_session)

    def _write_at_once(self, instrument: Instrument, options: dict[str, Any], write: Write) -> None:
        fold, lots_per_unit = fold_at_once(
            instrument, options["files"], price=options["price"], heard=self.words.at, doubts=self.doubts
        )
        self._say_doubts()
        lines = bulk_lines(instrument.symbol, fold, lots_per_unit)
        while batch := b"".join(itertools.islice(lines, _LINES_AT_ONCE)):
            write(batch)
        self.words.end(fold.ticks, fold.out_of_session)

    def _loaded(self, options: dict[str, Any], speed: float) -> Recording:
        recording = load(options["files"], price=options["price"], heard=self.words.at, doubts=self.doubts)
        self._say_doubts()
        days = recording.span_seconds / speed / _DAY_SECONDS
        if days > 1:
            self.words.say(f"at this speed it takes {f'{days:,.1f}' if days < _MANY_DAYS else 'over a million'} days")
        return recording

    def _play(self, options: dict[str, Any]) -> None:
        """Into the running system. What is stored is a registered symbol's, under its own calendar and lot step."""
        if options["calendar"] is not None:
            raise InvalidRequest("--calendar goes with --bars: a registered symbol is stored under its own calendar")
        _check_files(options["files"], None)
        symbol = Symbol.objects.with_code(options["symbol"])
        instrument = symbol.instrument()
        speed = 1.0 if options["speed"] is None else options["speed"]
        recording, rounded = self._loaded(options, speed).in_steps(instrument.lots_per_unit)
        if rounded:
            self.words.say(f"{rounded:,} sizes were finer than 1/{instrument.lots_per_unit} and are rounded")
        if symbol.streaming:
            self.words.say(f"{symbol.code} is followed live: its bars are stored, and pages do not show them forming")
        is_shown = speed < math.inf and not symbol.streaming
        played = asyncio.run(_play_live(instrument, recording, speed, is_shown, self.words.at))
        self.words.end(played.ticks, played.out_of_session)
        self.words.say(f"{played.bars:,} bars stored")

    def _say_doubts(self) -> None:
        for words in self.doubts.words():
            self.words.say(words)

    def _say_lines(self, lines: str) -> None:
        self.stdout.write(lines, ending="")
        self.stdout.flush()


async def _play_live(
    instrument: Instrument, recording: Recording, speed: float, is_shown: bool, heard: Callable[[int], None]
) -> Played:
    """A player is made within the loop that it runs in."""
    from quotes.player import Player  # the stores' clients take a second to import, and bars need none of them

    return await Player(instrument, recording, speed=speed, is_shown=is_shown).run(heard)


async def _write_live(bars: LiveBars, write: Write, heard: Callable[[int], None]) -> None:
    async for lines in bars.lines():
        write(b"".join(lines))
        heard(bars.played)


def _check_files(files: list[Path], target: str | None) -> None:
    """Raises InvalidRequest where ticks would count twice or a recording be written over."""
    for place, file in enumerate(files):
        if any(_is_same(file, other) for other in files[:place]):
            raise InvalidRequest(f"{file} is given twice, its ticks would count twice")
        if target not in (None, "-") and _is_same(file, Path(str(target))):
            raise InvalidRequest(f"{target} is one of the recordings")
    if target not in (None, "-") and Path(str(target)).is_dir():
        raise InvalidRequest(f"--bars {str(target)!r} is a folder, name a file in it")
    if target not in (None, "-") and not Path(str(target)).parent.is_dir():
        raise InvalidRequest(f"{target}: there is no such folder")


def _why(error: DatabaseError) -> str:
    """What the database says, or what to do where it was never set up."""
    with contextlib.suppress(DatabaseError):
        if Symbol._meta.db_table not in connection.introspection.table_names():
            return "the database is not set up: run `manage.py migrate` first"
    return str(error)


def _instrument(code: str, calendar: str | None) -> Instrument:
    """The symbol to fold: as registered, else one that trades around the clock. Raises InvalidRequest."""
    if not is_symbol(code):
        raise InvalidRequest(f"not a symbol: {code[:80]!r}; write EXCHANGE:TICKER, the exchange in capitals")
    if calendar is None:
        # Bars are made without any store, so one that is not there (yet) knows no symbol.
        with contextlib.suppress(UnknownSymbol, DatabaseError):
            return Symbol.objects.with_code(code).instrument()
    instrument = Instrument(symbol=code, calendar="24/7" if calendar is None else calendar)
    get_calendar(instrument.calendar)
    return instrument


def _speed(text: str) -> float:
    if text == "max":
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed < math.inf:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is neither a number above 0 nor max")
    return speed


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)

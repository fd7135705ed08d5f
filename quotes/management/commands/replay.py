"""Plays recordings of ticks through the fold."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from domain.calendars import get_calendar
from domain.errors import InvalidRequest, PocketQuantError, UnknownSymbol
from domain.instrument import Instrument, is_symbol
from providers.recording import Recording, fold_at_once, load
from quotes.replay import bulk_lines, live_lines
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
_OLDEST_NS = 10**17  # March 1973: what lies nearer to 1970 is in milliseconds or microseconds, most likely
_LINES_AT_ONCE = 2_000
_SAY_SECONDS = 10.0
_REDRAW_SECONDS = 0.2

Write = Callable[[bytes], object]


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
        self.progress = _Progress(None if options["quiet"] else self.stderr.write)
        try:
            if options["bars"] is None:
                self._play(options)
            else:
                self._write_bars(options)
        except InvalidRequest as error:
            raise CommandError(str(error), returncode=_WRONG_USE) from error
        except BrokenPipeError:
            # Whoever read our lines has gone; without this Python would complain once more when it flushes stdout.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(_FAILED)
        except (PocketQuantError, DatabaseError, OSError) as error:
            raise CommandError(str(error), returncode=_FAILED) from error
        except KeyboardInterrupt:
            self.stderr.write("interrupted; run it again to begin anew, which is safe")
            sys.exit(_INTERRUPTED)

    def _write_bars(self, options: dict[str, Any]) -> None:
        instrument = _instrument(options["symbol"], options["calendar"])
        files, target, price = options["files"], options["bars"], options["price"]
        if target != "-" and any(_is_same(file, Path(target)) for file in files):
            raise InvalidRequest(f"{target} is one of the recordings")
        if target != "-" and not Path(target).parent.is_dir():
            raise InvalidRequest(f"{target}: there is no such folder")
        with self._opened(target) as write:
            if options["speed"] in (None, math.inf):
                fold, lots_per_unit = fold_at_once(instrument, files, price=price, heard=self.progress.at)
                self._doubt(fold.last_ns)
                lines = bulk_lines(instrument.symbol, fold, lots_per_unit)
                while batch := b"".join(itertools.islice(lines, _LINES_AT_ONCE)):
                    write(batch)
                self.progress.end(fold.ticks, fold.out_of_session)
            else:
                recording = load(files, price=price, heard=self.progress.at)
                self._doubt(int(recording.time_ns[-1]) if len(recording) else None)
                asyncio.run(_write_live(instrument, recording, options["speed"], write))

    def _play(self, options: dict[str, Any]) -> None:
        """Into the running system. What is stored is a registered symbol's, under its own calendar and lot step."""
        if options["calendar"] is not None:
            raise InvalidRequest("--calendar goes with --bars: a registered symbol is stored under its own calendar")
        symbol = Symbol.objects.with_code(options["symbol"])
        instrument = symbol.instrument()
        speed = 1.0 if options["speed"] is None else options["speed"]
        recording = load(options["files"], price=options["price"], heard=self.progress.at)
        self._doubt(int(recording.time_ns[-1]) if len(recording) else None)
        recording, rounded = recording.in_steps(instrument.lots_per_unit)
        if rounded:
            self.stderr.write(f"{rounded:,} sizes were finer than 1/{instrument.lots_per_unit} and are rounded")
        if symbol.streaming:
            self.stderr.write(
                f"{symbol.code} is followed live: its bars are stored, and pages do not show them forming"
            )
        is_shown = speed < math.inf and not symbol.streaming
        played = asyncio.run(_play_live(instrument, recording, speed, is_shown, self.progress.at))
        self.progress.end(played.ticks, played.out_of_session)
        self.stderr.write(f"{played.bars:,} bars stored")

    def _doubt(self, last_ns: int | None) -> None:
        """Milliseconds taken for nanoseconds make bars of January 1970: not impossible, so said and not refused."""
        if last_ns is not None and abs(last_ns) < _OLDEST_NS:
            last = datetime.fromtimestamp(last_ns / 10**9, UTC)
            self.stderr.write(f"the last tick is of {last:%Y-%m-%d %H:%M}: are the times in ts_ns really nanoseconds?")

    def _say_lines(self, lines: bytes) -> None:
        """To stdout at once: whoever reads a replay in real time must not wait for a buffer to fill."""
        self.stdout.write(lines.decode(), ending="")
        self.stdout.flush()

    @contextlib.contextmanager
    def _opened(self, target: str) -> Iterator[Write]:
        """Where lines go. A file appears when it is complete, so that a failure leaves none and no half of one."""
        if target == "-":
            yield self._say_lines
            return
        path = Path(target)
        if path.exists() and not path.is_file():  # a pipe or a device, which must not be replaced
            with path.open("wb") as file:

                def write(lines: bytes) -> None:
                    file.write(lines)
                    file.flush()

                yield write
            return
        path = path.resolve()
        descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file.write
            Path(aside).chmod(0o666 & ~_umask())
            Path(aside).replace(path)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise


class _Progress:
    """Says on stderr how far we are: rewriting a line on a terminal, else a line each 10 s."""

    def __init__(self, write: Callable[..., None] | None) -> None:
        self._write = write
        self._is_terminal = sys.stderr.isatty()
        self._next = time.monotonic() + (0 if self._is_terminal else _SAY_SECONDS)

    def at(self, ticks: int) -> None:
        now = time.monotonic()
        if self._write is None or now < self._next:
            return
        if self._is_terminal:
            self._next = now + _REDRAW_SECONDS
            self._write(f"\r{ticks:,} ticks", ending="")
        else:
            self._next = now + _SAY_SECONDS
            self._write(f"{ticks:,} ticks")

    def end(self, ticks: int, out_of_session: int) -> None:
        if self._write is not None:
            left_out = f", {out_of_session:,} of them outside every session" if out_of_session else ""
            start = "\r" if self._is_terminal else ""
            self._write(f"{start}{ticks:,} ticks{left_out}")


async def _play_live(
    instrument: Instrument, recording: Recording, speed: float, is_shown: bool, heard: Callable[[int], None]
) -> Played:
    """A player is made within the loop that it runs in."""
    from quotes.player import Player  # the stores' clients take a second to import, and bars need none of them

    return await Player(instrument, recording, speed=speed, is_shown=is_shown).run(heard)


async def _write_live(instrument: Instrument, recording: Recording, speed: float, write: Write) -> None:
    async for lines in live_lines(instrument, recording, speed=speed):
        write(b"".join(lines))


def _instrument(code: str, calendar: str | None) -> Instrument:
    """The symbol to fold: as registered, else one that trades around the clock. Raises InvalidRequest."""
    if not is_symbol(code):
        raise InvalidRequest(f"not a symbol: {code[:80]!r}; write EXCHANGE:TICKER, the exchange in capitals")
    if calendar is None:
        # Bars are made without any store, so one that is not there (yet) knows no symbol.
        with contextlib.suppress(UnknownSymbol, DatabaseError):
            return Symbol.objects.with_code(code).instrument()
    instrument = Instrument(symbol=code, calendar=calendar or "24/7")
    get_calendar(instrument.calendar)
    return instrument


def _speed(text: str) -> float:
    if text == "max":
        return math.inf
    speed = float(text)
    if not 0 < speed < math.inf:
        raise ValueError(text)
    return speed


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask

"""Stored bars -> files that can be imported again."""

from __future__ import annotations

import argparse
import gzip
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

from django.core.management.base import CommandError

from domain.errors import InvalidRequest
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.columns import EXPORTED, Columns, Piece, written
from marketdata.formats import WRITERS
from marketdata.management.series import FAILED, MOMENTS, Asked, SeriesCommand
from marketdata.mongo import database
from marketdata.progress import Progress, progress
from marketdata.repository import BarRepository


class Command(SeriesCommand):
    examples = f"""examples:
  manage.py export_bars NASDAQ:AAPL --interval 1h --start -90d > aapl.csv
  manage.py export_bars NASDAQ:AAPL BINANCE:BTCUSDT --output bars.parquet
  manage.py export_bars --exchange NASDAQ --output exports/      a file for each series

Every bar comes with its trades, state, source and whether it is partial; `manage.py import_bars FILE` reads CSV and
Parquet back. The name tells the format (.csv .csv.gz .ndjson .parquet .arrow), or --format does.
{MOMENTS}
exit code: 0 done, 1 failed, 2 wrong use, 130 interrupted (no half-written file is left).
"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--output", default="-", metavar="PATH", help="a file, a folder (ending in /), or - for stdout"
        )
        parser.add_argument("--format", choices=tuple(WRITERS), help="csv, unless the name says otherwise")
        parser.add_argument("--force", action="store_true", help="replace files that are there")

    def run(self, asked: Asked) -> None:
        options = asked.options
        self.span, self.repository = (asked.start, asked.end), BarRepository(database())
        series = list(itertools.product([symbol.instrument() for symbol in asked.symbols], asked.intervals))
        stored = [each for each in series if self.repository.series(*each)]
        kind, target = _kind(options["format"], options["output"]), options["output"]
        with progress(len(stored), "series", is_quiet=self.quiet or self.json or target == "-") as shown:
            if target.endswith("/") or Path(target).is_dir():
                for each in stored:
                    self._write_file(Path(target) / f"{_name(each)}.{kind}", kind, [each], shown, options["force"])
            elif target == "-":
                self._write(sys.stdout.buffer, kind, stored, shown)
            else:
                self._write_file(Path(target), kind, stored, shown, options["force"])
        if len(stored) < len(series):
            self.say(f"nothing is stored of {len(series) - len(stored)} of {len(series)} series")

    def _write_file(
        self,
        path: Path,
        kind: str,
        series: Sequence[tuple[Instrument, Interval]],
        shown: Progress,
        replaces: bool,
    ) -> None:
        if path.exists() and not replaces:
            raise CommandError(f"{path} is there already: --force replaces it", returncode=FAILED)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _draft_of(path) as file:
            bars = self._write(file, kind, series, shown)
        if not self.json:
            shown.say(f"{path}: {bars:,} bars of {len(series):,} series")
        else:
            self.print_json([{"file": str(path), "series": len(series), "bars": bars}])

    def _write(self, file: IO[bytes], kind: str, series: Sequence[tuple[Instrument, Interval]], shown: Progress) -> int:
        bars = 0

        def columns() -> Iterator[Columns]:
            nonlocal bars
            for instrument, interval in series:
                pieces = map(Piece, self.repository.tables(instrument, interval, *self.span))
                for piece in written(pieces, EXPORTED, [instrument], interval):
                    bars += len(piece[0])
                    yield piece
                shown.advance(1, f"{bars:,} bars")
            if not series:
                yield [[] for _ in EXPORTED]

        try:
            for chunk in WRITERS[kind](columns(), EXPORTED, "iso", b""):
                file.write(chunk)
            file.flush()
        except BrokenPipeError:
            # Whoever read has gone; without this Python would complain once more when it flushes stdout.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise CommandError("whoever read the bars has gone", returncode=FAILED) from None
        return bars


def _kind(given: str | None, target: str) -> str:
    """The format. Raises InvalidRequest if the name has another."""
    suffix = Path(target).name.removesuffix(".gz").rpartition(".")[2] if target != "-" else ""
    if given is None:
        if suffix in WRITERS or not suffix or target.endswith("/") or Path(target).is_dir():
            return suffix if suffix in WRITERS else "csv"
        raise InvalidRequest(f"--output {target}: name it .{', .'.join(WRITERS)}, or say --format")
    if suffix in WRITERS and suffix != given:
        raise InvalidRequest(f"--output {target} is not the name of a {given} file")
    return given


def _name(series: tuple[Instrument, Interval]) -> str:
    """``NASDAQ-AAPL_1h``, no two alike; 1m and 1M must differ where capitals do not count."""
    instrument, interval = series
    name = quote(instrument.symbol.replace(":", "-", 1), safe="!&")
    return f"{name}_{'1mo' if interval is Interval.MN1 else interval.value}"


@contextmanager
def _draft_of(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name once it is whole; gzipped if the name says so."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with gzip.open(draft, "wb") if path.suffix == ".gz" else draft.open("wb") as file:
            yield file  # type: ignore[misc]  # a GzipFile writes as well
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)

"""Reads recordings of ticks: CSV, plain or gzip, with a header line, whatever the order of its columns.

Trades have ``ts_ns,price,size``, quotes ``ts_ns,bid,ask``; more columns may be there and are not looked at. Times are
integer nanoseconds since 1970 UTC. Sizes are read as the decimals they are written as, never through a float, and so is
the middle of bid and ask. Prices may be zero or negative, as those of spreads and of oil on 2020-04-20 were.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.errors import UnreadableFile
from providers.tick_doubts import Doubts
from providers.tick_numbers import NUMBER, to_lots, to_middles, to_prices, to_size
from providers.tick_text import LONGEST_LINE, header_line, opened

PriceOf = Literal["bid", "ask", "mid"]

DECIMALS = 8  # sizes are counted in steps of 1e-8, finer ones only where a recording needs them
_LINES_A_PIECE = 50_000
_MAX_NS = 2**63 - 1
_INTEGER = re.compile(r"\s*[+-]?\d{1,19}\s*", re.ASCII)


class TickColumns(NamedTuple):
    """Some ticks in the recording's order. ``lots`` counts sizes in steps of ``10 ** -decimals``.

    ``lots`` are 64-bit integers, or Python's own (an object array) where these would not hold them.
    """

    time_ns: NDArray[np.int64]
    prices: NDArray[np.float64]
    lots: NDArray[Any]
    decimals: int


class _Layout(NamedTuple):
    """Where a file keeps what we want: column indices, and how many columns a line must have."""

    width: int
    time: int
    prices: tuple[int, ...]  # one, or bid and ask whose middle is the price
    size: int | None

    @property
    def wanted(self) -> tuple[int, ...]:
        return (self.time, *self.prices) if self.size is None else (self.time, *self.prices, self.size)


class TickReader:
    """Reads files one after another; ``decimals`` grows when a size needs it and never shrinks."""

    def __init__(self, *, price: PriceOf | None = None, doubts: Doubts | None = None) -> None:
        self._price = price
        self._doubts = Doubts() if doubts is None else doubts
        self.decimals = DECIMALS

    def read(self, path: Path) -> Iterator[TickColumns]:
        """The ticks of ``path`` in pieces. Raises UnreadableFile, naming the file and the line, at the first fault."""
        line, lines = 0, list[str]()
        try:
            with opened(path) as text:
                line, header = header_line(text)
                layout = self._layout(path, line, header)
                while True:
                    lines.extend(islice(text, _LINES_A_PIECE))  # if reading fails midway, those before stay counted
                    if not lines:
                        return
                    piece = self._seen(path, layout, lines, line + 1)
                    line += len(lines)
                    lines.clear()
                    if piece is not None:
                        yield piece
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UnreadableFile(f"{path}, line {line + len(lines) + 1}: damaged or cut short: {error}") from error
        except OSError as error:
            place = f"{path}, line {line + len(lines) + 1}" if line else str(path)  # it may not even open
            raise UnreadableFile(f"{place}: {error.strerror or error}") from error

    def _layout(self, path: Path, line: int, header: str) -> _Layout:
        names = [name.strip().lower() for name in _fields(header)]
        if not any(names):
            raise UnreadableFile(f"{path}, line {line}: empty, there is no header line")
        is_quotes = self._price is not None or ("price" not in names and "bid" in names)
        if is_quotes:
            sides = ("bid", "ask") if self._price in (None, "mid") else (str(self._price),)
            wanted = ("ts_ns", *sides)
        else:
            wanted = ("ts_ns", "price", "size")
        missing = [name for name in wanted if name not in names]
        doubled = [name for name in wanted if names.count(name) > 1]
        if missing or doubled:
            fault = f"no column {missing[0]}" if missing else f"two columns {doubled[0]}"
            if missing and self._price is not None and "price" in names:
                fault += f": the {self._price} of quotes was asked for, and these are trades"
            raise UnreadableFile(
                f"{path}, line {line}: {fault}; the header must name ts_ns,price,size or ts_ns,bid,ask,"
                f" and is {header.strip()[:80]!r}"
            )
        time, *rest = (names.index(name) for name in wanted)
        return _Layout(len(names), time, tuple(rest) if is_quotes else (rest[0],), None if is_quotes else rest[1])

    def _seen(self, path: Path, layout: _Layout, lines: list[str], first_line: int) -> TickColumns | None:
        piece = self._piece(path, layout, lines, first_line)
        if piece is not None:

            def place(index: int) -> str:
                numbers = (number for number, line in enumerate(lines, first_line) if not line.isspace())
                return f"{path}, line {next(islice(numbers, index, None))}"

            self._doubts.look_at(piece.time_ns, piece.prices, place)
        return piece

    def _piece(self, path: Path, layout: _Layout, lines: list[str], first_line: int) -> TickColumns | None:
        try:
            columns = _split(layout, lines)
            return self._converted(layout, columns) if columns else None
        except (ValueError, OverflowError, ArithmeticError):
            # Something is unusual or wrong: look at each line by itself, to accept what is right and name what is not.
            rows = [
                _careful_row(f"{path}, line {number}", layout, line)
                for number, line in enumerate(lines, first_line)
                if not line.isspace()
            ]
            return self._converted(layout, list(zip(*rows, strict=True))) if rows else None

    def _converted(self, layout: _Layout, columns: list[tuple[str, ...]]) -> TickColumns:
        """Text to numbers. Raises ValueError if any of them is not what it should be."""
        time_ns = np.array(list(map(int, columns[0])), dtype=np.int64)
        if time_ns.min() < 0:
            raise ValueError("a time before 1970")
        prices = to_prices(columns[1]) if len(layout.prices) == 1 else to_middles(columns[1], columns[2])
        if layout.size is None:
            lots: NDArray[Any] = np.zeros(len(time_ns), dtype=np.int64)
        else:
            lots, self.decimals = to_lots(columns[-1], self.decimals)
        return TickColumns(time_ns, prices, lots, self.decimals)


def _split(layout: _Layout, lines: list[str]) -> list[tuple[str, ...]]:
    """The wanted columns, fast. Raises ValueError if a line is not plain: quotes, odd characters, wrong width."""
    if max(map(len, lines)) > LONGEST_LINE:
        raise ValueError("a line that is too long")
    text = "".join(lines)
    if '"' in text or "_" in text or not text.isascii():  # int and float would take 1_000 and other scripts' digits
        raise ValueError("not plain")
    rows = [line.split(",") for line in lines if not line.isspace()]
    if not rows:
        return []
    if set(map(len, rows)) != {layout.width}:
        raise ValueError("a line with more or fewer fields than the header")
    columns = list(zip(*rows, strict=True))
    return [columns[index] for index in layout.wanted]


def _fields(line: str) -> list[str]:
    """The fields of a line that may have quotes. The lines given are short, so the reader has nothing to refuse."""
    return next(csv.reader([line]), [])


def _careful_row(place: str, layout: _Layout, line: str) -> tuple[str, ...]:
    """The wanted fields of one line, each checked. Raises UnreadableFile with what is wrong."""
    if len(line) > LONGEST_LINE:
        raise UnreadableFile(f"{place}: longer than {LONGEST_LINE} characters")
    fields = _fields(line)
    is_odd = len(fields) != layout.width
    if fields[-1].endswith("\n") or (is_odd and line.count('"') % 2):  # only an open quote keeps the line's end
        raise UnreadableFile(f"{place}: a quote that does not end in its line; line breaks in fields are not read")
    if is_odd:
        raise UnreadableFile(f"{place}: {len(fields)} fields, the header has {layout.width}")
    time, *prices = (fields[index] for index in (layout.time, *layout.prices))
    if not _INTEGER.fullmatch(time) or not 0 <= int(time) <= _MAX_NS:
        raise UnreadableFile(f"{place}: ts_ns is not a time in nanoseconds since 1970: {time[:40]!r}")
    for price in prices:
        try:
            _check_number(price)
            to_prices([price])
        except ValueError as error:
            raise UnreadableFile(f"{place}: the price is not a finite number: {price[:40]!r}") from error
    if layout.size is None:
        return (time, *prices)
    size = fields[layout.size]
    try:
        _check_number(size)
        to_size(size)
    except (ValueError, ArithmeticError) as error:
        raise UnreadableFile(f"{place}: the size is not a number from 0 up: {size[:40]!r}") from error
    return (time, *prices, size)


def _check_number(text: str) -> None:
    if not NUMBER.fullmatch(text):
        raise ValueError(f"not a number: {text[:40]!r}")

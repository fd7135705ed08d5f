"""Reads recordings of ticks: CSV, plain or gzip, with a header line, whatever the order of its columns.

Trades have ``ts_ns,price,size``, quotes ``ts_ns,bid,ask``; more columns may be there and are not looked at. Times are
integer nanoseconds since 1970 UTC. Sizes are read as the decimals they are written as, never through a float.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.errors import UnreadableFile

PriceOf = Literal["bid", "ask", "mid"]

DECIMALS = 8  # sizes are counted in steps of 1e-8, finer ones only where a recording needs them
_MOST_DIGITS = 40  # before the point, and after it
_MOST_PRICE = 1e100  # which feeds send for "no value"
_LINES_A_PIECE = 50_000
_LONGEST_LINE = 4_096
_MAX_NS = 2**63 - 1
_GZIP_MAGIC = b"\x1f\x8b"
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?\s*", re.ASCII)
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

    def __init__(self, *, price: PriceOf | None = None) -> None:
        self._price = price
        self.decimals = DECIMALS

    def read(self, path: Path) -> Iterator[TickColumns]:
        """The ticks of ``path`` in pieces. Raises UnreadableFile, naming the file and the line, at the first fault."""
        line, lines = 0, list[str]()
        try:
            with _opened(path) as text:
                line, header = _header(text)
                layout = self._layout(path, line, header)
                while True:
                    lines.extend(islice(text, _LINES_A_PIECE))  # if reading fails midway, those before stay counted
                    if not lines:
                        return
                    piece = self._piece(path, layout, lines, line + 1)
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
            raise UnreadableFile(
                f"{path}, line {line}: {fault}; the header must name ts_ns,price,size or ts_ns,bid,ask,"
                f" and is {header.strip()[:80]!r}"
            )
        time, *rest = (names.index(name) for name in wanted)
        return _Layout(len(names), time, tuple(rest) if is_quotes else (rest[0],), None if is_quotes else rest[1])

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
        sides = [np.array(list(map(float, column)), dtype=np.float64) for column in columns[1 : 1 + len(layout.prices)]]
        for side in sides:
            if not bool(((side > 0) & (side < _MOST_PRICE)).all()):  # false for NaN too
                raise ValueError("a price that is not a positive number")
        prices = sides[0] if len(sides) == 1 else (sides[0] + sides[1]) / 2
        lots = self._lots(columns[-1]) if layout.size is not None else np.zeros(len(time_ns), dtype=np.int64)
        return TickColumns(time_ns, prices, lots, self.decimals)

    def _lots(self, sizes: tuple[str, ...]) -> NDArray[Any]:
        """Sizes as whole steps, exactly. Each distinct text is read once: few sizes make up most trades."""
        parsed = {text: _exact(text) for text in set(sizes)}
        self.decimals = max(self.decimals, max(decimals for _, decimals in parsed.values()))
        table = {text: digits * 10 ** (self.decimals - decimals) for text, (digits, decimals) in parsed.items()}
        lots = [table[text] for text in sizes]
        return np.array(lots, dtype=np.int64 if max(table.values()) < 2**62 else object)


def _opened(path: Path) -> IO[str]:
    """Text of a plain or gzip file, told apart by its first bytes; every kind of line end becomes a newline.

    Bytes that are no UTF-8 survive as lone surrogates: in a column we read they are refused with their line.
    """
    with path.open("rb") as file:
        is_gzip = file.read(2) == _GZIP_MAGIC
    if is_gzip:
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline=None)
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline=None)


def _header(text: IO[str]) -> tuple[int, str]:
    """Number and content of the first line that is not blank; an empty one if there is none."""
    line = 1
    while content := text.readline(_LONGEST_LINE):
        if not content.isspace():
            break
        line += 1
    return line, content


def _split(layout: _Layout, lines: list[str]) -> list[tuple[str, ...]]:
    """The wanted columns, fast. Raises ValueError if a line is not plain: quotes, odd characters, wrong width."""
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


def _exact(size: str) -> tuple[int, int]:
    """A size as an integer and the number of its decimals. Raises ValueError if it is none."""
    value = Decimal(size)
    if not value.is_finite() or value < 0 or value.adjusted() > _MOST_DIGITS:
        raise ValueError(f"not a size: {size[:40]!r}")
    _, digits, exponent = value.as_tuple()  # no arithmetic on Decimals here: it would round to 28 digits
    number, decimals = int("".join(map(str, digits))), -int(exponent)
    while decimals > 0 and number % 10 == 0:
        number, decimals = number // 10, decimals - 1
    if decimals > _MOST_DIGITS:
        raise ValueError(f"more than {_MOST_DIGITS} decimals: {size[:40]!r}")
    return (number, decimals) if decimals > 0 else (number * 10**-decimals, 0)


def _fields(line: str) -> list[str]:
    """The fields of a line that may have quotes. The lines given are short, so the reader has nothing to refuse."""
    return next(csv.reader([line]), [])


def _careful_row(place: str, layout: _Layout, line: str) -> tuple[str, ...]:
    """The wanted fields of one line, each checked. Raises UnreadableFile with what is wrong."""
    if len(line) > _LONGEST_LINE:
        raise UnreadableFile(f"{place}: longer than {_LONGEST_LINE} characters")
    fields = _fields(line)
    if len(fields) != layout.width:
        raise UnreadableFile(f"{place}: {len(fields)} fields, the header has {layout.width}")
    time, *prices = (fields[index] for index in (layout.time, *layout.prices))
    if not _INTEGER.fullmatch(time) or not 0 <= int(time) <= _MAX_NS:
        raise UnreadableFile(f"{place}: ts_ns is not a time in nanoseconds since 1970: {time[:40]!r}")
    for price in prices:
        if not _NUMBER.fullmatch(price) or not 0 < float(price) < _MOST_PRICE:
            raise UnreadableFile(f"{place}: the price is not a positive number: {price[:40]!r}")
    if layout.size is None:
        return (time, *prices)
    size = fields[layout.size]
    try:
        if not _NUMBER.fullmatch(size):
            raise ValueError("not a number")
        _exact(size)
    except (ValueError, ArithmeticError) as error:
        raise UnreadableFile(f"{place}: the size is not a number from 0 up: {size[:40]!r}") from error
    return (time, *prices, size)

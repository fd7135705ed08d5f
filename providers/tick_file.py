"""Reads recordings of ticks: CSV, plain or gzip, with a header line, whatever the order of its columns.

Trades have ``ts_ns,price,size``, quotes ``ts_ns,bid,ask``; more columns may be there and are not looked at. Times are
integer nanoseconds since 1970 UTC. Sizes are read as the decimals they are written as, never through a float, and so is
the middle of bid and ask. Prices may be zero or negative, as those of spreads and of oil on 2020-04-20 were.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.errors import UnreadableFile
from providers.tick_columns import Columns, PriceOf, checked_fields, columns_of, split
from providers.tick_doubts import Doubts
from providers.tick_numbers import to_lots, to_middles, to_prices
from providers.tick_text import header_line, opened

DECIMALS = 8  # sizes are counted in steps of 1e-8, finer ones only where a recording needs them
_LINES_A_PIECE = 50_000


class TickColumns(NamedTuple):
    """Some ticks in the recording's order. ``lots`` counts sizes in steps of ``10 ** -decimals``.

    ``lots`` are 64-bit integers, or Python's own (an object array) where these would not hold them.
    """

    time_ns: NDArray[np.int64]
    prices: NDArray[np.float64]
    lots: NDArray[Any]
    decimals: int


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
                columns = columns_of(f"{path}, line {line}", header, self._price)
                while True:
                    lines.extend(islice(text, _LINES_A_PIECE))  # if reading fails midway, those before stay counted
                    if not lines:
                        return
                    piece = self._seen(path, columns, lines, line + 1)
                    line += len(lines)
                    lines.clear()
                    if piece is not None:
                        yield piece
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UnreadableFile(f"{path}, line {line + len(lines) + 1}: damaged or cut short: {error}") from error
        except OSError as error:
            place = f"{path}, line {line + len(lines) + 1}" if line else str(path)  # it may not even open
            raise UnreadableFile(f"{place}: {error.strerror or error}") from error

    def _seen(self, path: Path, columns: Columns, lines: list[str], first_line: int) -> TickColumns | None:
        piece = self._piece(path, columns, lines, first_line)
        if piece is not None:

            def place(index: int) -> str:
                numbers = (number for number, line in enumerate(lines, first_line) if not line.isspace())
                return f"{path}, line {next(islice(numbers, index, None))}"

            self._doubts.look_at(piece.time_ns, piece.prices, place)
        return piece

    def _piece(self, path: Path, columns: Columns, lines: list[str], first_line: int) -> TickColumns | None:
        try:
            texts = split(columns, lines)
            return self._converted(columns, texts) if texts else None
        except (ValueError, OverflowError, ArithmeticError):
            # Something is unusual or wrong: look at each line by itself, to accept what is right and name what is not.
            rows = [
                checked_fields(f"{path}, line {number}", columns, line)
                for number, line in enumerate(lines, first_line)
                if not line.isspace()
            ]
            return self._converted(columns, list(zip(*rows, strict=True))) if rows else None

    def _converted(self, columns: Columns, texts: list[tuple[str, ...]]) -> TickColumns:
        """Text to numbers. Raises ValueError if any of them is not what it should be."""
        time_ns = np.array(list(map(int, texts[0])), dtype=np.int64)
        if time_ns.min() < 0:
            raise ValueError("a time before 1970")
        prices = to_prices(texts[1]) if len(columns.prices) == 1 else to_middles(texts[1], texts[2])
        if columns.size is None:
            lots: NDArray[Any] = np.zeros(len(time_ns), dtype=np.int64)
        else:
            lots, self.decimals = to_lots(texts[-1], self.decimals)
        return TickColumns(time_ns, prices, lots, self.decimals)

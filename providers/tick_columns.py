"""Where the lines of a recording keep what we want: by the names in its header, quickly or line by line with care."""

from __future__ import annotations

import csv
import re
from typing import Literal, NamedTuple

from domain.errors import UnreadableFile
from providers.tick_numbers import NUMBER, to_prices, to_size
from providers.tick_text import LONGEST_LINE

PriceOf = Literal["bid", "ask", "mid"]

_MAX_NS = 2**63 - 1
_INTEGER = re.compile(r"\s*[+-]?\d{1,19}\s*", re.ASCII)


class Columns(NamedTuple):
    """Indices of the columns we want, and how many columns a line must have."""

    width: int
    time: int
    prices: tuple[int, ...]  # one, or bid and ask whose middle is the price
    size: int | None  # quotes have none

    @property
    def wanted(self) -> tuple[int, ...]:
        return (self.time, *self.prices) if self.size is None else (self.time, *self.prices, self.size)


def columns_of(place: str, header: str, price: PriceOf | None) -> Columns:
    """What ``header`` names: trades, or of quotes the ``price`` that is asked for (None: the middle).

    Raises UnreadableFile, naming ``place``.
    """
    names = [name.strip().lower() for name in _fields(header)]
    if not any(names):
        raise UnreadableFile(f"{place}: empty, there is no header line")
    is_quotes = price is not None or ("price" not in names and "bid" in names)
    if is_quotes:
        wanted = ("ts_ns", "bid", "ask") if price in (None, "mid") else ("ts_ns", str(price))
    else:
        wanted = ("ts_ns", "price", "size")
    fault = _fault(names, wanted, price)
    if fault:
        raise UnreadableFile(
            f"{place}: {fault}; the header must name ts_ns,price,size or ts_ns,bid,ask, and is {header.strip()[:80]!r}"
        )
    time, *rest = (names.index(name) for name in wanted)
    return Columns(len(names), time, tuple(rest) if is_quotes else (rest[0],), None if is_quotes else rest[1])


def _fault(names: list[str], wanted: tuple[str, ...], price: PriceOf | None) -> str:
    """What is wrong with a header, in words; empty if nothing is."""
    missing = [name for name in wanted if name not in names]
    if missing:
        is_trades = price is not None and "price" in names
        return f"no column {missing[0]}" + (
            f": the {price} of quotes was asked for, and these are trades" if is_trades else ""
        )
    doubled = [name for name in wanted if names.count(name) > 1]
    return f"two columns {doubled[0]}" if doubled else ""


def split(columns: Columns, lines: list[str]) -> list[tuple[str, ...]]:
    """The wanted columns, fast. Raises ValueError if a line is not plain: quotes, odd characters, wrong width."""
    if max(map(len, lines)) > LONGEST_LINE:
        raise ValueError("a line that is too long")
    text = "".join(lines)
    if '"' in text or "_" in text or not text.isascii():  # int and float would take 1_000 and other scripts' digits
        raise ValueError("not plain")
    rows = [line.split(",") for line in lines if not line.isspace()]
    if not rows:
        return []
    if set(map(len, rows)) != {columns.width}:
        raise ValueError("a line with more or fewer fields than the header")
    table = list(zip(*rows, strict=True))
    return [table[index] for index in columns.wanted]


def checked_fields(place: str, columns: Columns, line: str) -> tuple[str, ...]:
    """The wanted fields of one line, each checked. Raises UnreadableFile with what is wrong."""
    if len(line) > LONGEST_LINE:
        raise UnreadableFile(f"{place}: longer than {LONGEST_LINE} characters")
    fields = _fields(line)
    is_odd = len(fields) != columns.width
    if fields[-1].endswith("\n") or (is_odd and line.count('"') % 2):  # only an open quote keeps the line's end
        raise UnreadableFile(f"{place}: a quote that does not end in its line; line breaks in fields are not read")
    if is_odd:
        raise UnreadableFile(f"{place}: {len(fields)} fields, the header has {columns.width}")
    time, *prices = (fields[index] for index in (columns.time, *columns.prices))
    if not _INTEGER.fullmatch(time) or not 0 <= int(time) <= _MAX_NS:
        raise UnreadableFile(f"{place}: ts_ns is not a time in nanoseconds since 1970: {time[:40]!r}")
    for price in prices:
        try:
            _check_number(price)
            to_prices([price])
        except ValueError as error:
            raise UnreadableFile(f"{place}: the price is not a finite number: {price[:40]!r}") from error
    if columns.size is None:
        return (time, *prices)
    size = fields[columns.size]
    try:
        _check_number(size)
        to_size(size)
    except (ValueError, ArithmeticError) as error:
        raise UnreadableFile(f"{place}: the size is not a number from 0 up: {size[:40]!r}") from error
    return (time, *prices, size)


def _check_number(text: str) -> None:
    if not NUMBER.fullmatch(text):
        raise ValueError(f"not a number: {text[:40]!r}")


def _fields(line: str) -> list[str]:
    """The fields of a line that may have quotes. The lines given are short, so the reader has nothing to refuse."""
    return next(csv.reader([line]), [])

"""Bars as text: CSV with a header line, and a JSON object a line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import orjson

from marketdata.columns import TIMES, Columns
from marketdata.documents import instant

_UNITS = {"s": 1, "ms": 1_000, "ns": 1_000_000_000}
JSON_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS
_WORDS = {None: "", True: "true", False: "false"}
_TO_QUOTE = frozenset(',"\r\n')


def write_csv(pieces: Iterable[Columns], fields: Sequence[str], time: str, about: bytes = b"") -> Iterator[bytes]:
    """Lines end in ``\\n``; numbers are the shortest text that gives the same double again; nothing is empty text."""
    yield f"{','.join(fields)}\n".encode()
    texts = [_csv_text(name, time) for name in fields]
    for columns in pieces:
        written = [map(text, column) for text, column in zip(texts, columns, strict=True)]
        lines = [",".join(values) for values in zip(*written, strict=True)]
        if lines:
            yield ("\n".join(lines) + "\n").encode()


def _csv_text(name: str, time: str) -> Callable[[Any], str]:
    if name in TIMES:
        return _moment_text(time)
    if name == "symbol":
        return _quoted
    if name in ("partial", "filled", "state", "source"):
        return lambda value: _WORDS.get(value, value)
    if name in ("trades", "revision"):
        return lambda value: "" if value is None else str(value)
    return str if name == "interval" else repr


def _moment_text(time: str) -> Callable[[int], str]:
    if time in _UNITS:
        unit = _UNITS[time]
        return lambda second: str(second * unit)
    return iso


def _quoted(text: str) -> str:
    if _TO_QUOTE.isdisjoint(text):
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def iso(second: int) -> str:
    """``2026-01-05T14:30:00Z``"""
    return f"{instant(second).isoformat()[:19]}Z"


def write_ndjson(pieces: Iterable[Columns], fields: Sequence[str], time: str, about: bytes = b"") -> Iterator[bytes]:
    """One object a line, the same as in a JSON answer."""
    for columns in pieces:
        if lines := [
            orjson.dumps(row, option=JSON_OPTIONS | orjson.OPT_APPEND_NEWLINE) for row in rows(columns, fields, time)
        ]:
            yield b"".join(lines)


def rows(columns: Columns, fields: Sequence[str], time: str) -> list[dict[str, Any]]:
    """An object a bar, for ``orjson`` with JSON_OPTIONS."""
    names = tuple(fields)
    return [dict(zip(names, values)) for values in zip(*json_times(columns, fields, time))]  # noqa: B905 - a check a bar


def json_times(columns: Columns, fields: Sequence[str], time: str) -> Columns:
    """The same columns, with times as ``orjson`` writes them fastest: datetimes or numbers."""
    if time == "s":
        return columns
    write: Callable[[int], Any] = instant if time == "iso" else _UNITS[time].__mul__
    return [list(map(write, column)) if name in TIMES else column for name, column in zip(fields, columns, strict=True)]

"""Rows of CSV and Parquet files, read a piece at a time, each with its place in the file."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from domain.errors import UnreadableFile

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_DELIMITERS = ",;\t|"
_ROWS_AT_ONCE = 8_192


class Row(NamedTuple):
    """``line``: its number in the file, header included, from 1; of a Parquet file the row's, from 1."""

    line: int
    values: Sequence[Any]


class Table(NamedTuple):
    header: list[str]
    rows: Iterator[Row]


@contextmanager
def opened(path: Path) -> Iterator[Table]:
    """The table at ``path``: Parquet, CSV or CSV.gz, as its first bytes tell. Raises UnreadableFile, OSError."""
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        if start == _PARQUET:
            yield _parquet(path, file)
        elif start[:2] == _GZIP:
            with gzip.open(file, "rb") as unpacked:
                yield _csv(path, unpacked)
        else:
            yield _csv(path, file)


def _csv(path: Path, file: IO[bytes] | gzip.GzipFile) -> Table:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
    try:
        first = text.readline(65_536)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFile(f"{path}: not a CSV file: {error}") from error
    if not first.strip():
        raise UnreadableFile(f"{path} is empty: a header line is expected, for example time,open,high,low,close,volume")
    delimiter = max(_DELIMITERS, key=first.count)
    header = next(csv.reader([first], delimiter=delimiter))
    if not any(name.strip() and not _is_number(name) for name in header):
        raise UnreadableFile(f"{path}: line 1 holds no names; a header line is expected")
    return Table([name.strip() for name in header], _csv_rows(path, text, delimiter))


def _csv_rows(path: Path, text: io.TextIOWrapper, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        for values in reader:
            if values and not (len(values) == 1 and not values[0].strip()):
                yield Row(reader.line_num + 1, values)
    except (csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableFile(f"{path}, line {reader.line_num + 1}: {error}") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parquet(path: Path, file: IO[bytes]) -> Table:
    import pyarrow
    from pyarrow import parquet  # 50 ms that nobody else needs to wait

    try:
        source = parquet.ParquetFile(file)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UnreadableFile(f"{path}: not a Parquet file: {error}") from error
    return Table(list(source.schema_arrow.names), _parquet_rows(path, source))


def _parquet_rows(path: Path, source: Any) -> Iterator[Row]:
    import pyarrow

    line = 0
    try:
        for batch in source.iter_batches(batch_size=_ROWS_AT_ONCE):
            columns = [_values(column) for column in batch.columns]
            for values in zip(*columns, strict=True):
                line += 1
                yield Row(line, values)
    except (pyarrow.ArrowException, OSError) as error:
        raise UnreadableFile(f"{path}, after row {line}: {error}") from error


def _values(column: Any) -> list[Any]:
    """Instants as nanoseconds since 1970 where they have a zone: Python's datetimes would cut them to microseconds."""
    import pyarrow

    kind = column.type
    if pyarrow.types.is_timestamp(kind) and kind.tz:
        per_unit = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[kind.unit]
        numbers = column.cast(pyarrow.int64()).to_pylist()
        return [None if number is None else Instant(number * per_unit) for number in numbers]
    found: list[Any] = column.to_pylist()
    return found


class Instant(int):
    """Nanoseconds since 1970 UTC, known to be just that: no guess at its unit is needed."""

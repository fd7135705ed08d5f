"""Bars as typed columns: an Arrow IPC stream, or a Parquet file. pyarrow is imported on first use: it takes 50 ms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from marketdata.columns import TIMES, Columns

if TYPE_CHECKING:
    import pyarrow

_WORDS = ("symbol", "interval", "state", "source")
_FLAGS, _COUNTS = ("partial", "filled"), ("trades", "revision")
ABOUT = b"pocketquant"  # the key in the schema's metadata under which JSON tells what a JSON answer has in `meta`


class _Sink:
    """A file that is only written to, and emptied by whoever sends what was written."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing to let go of."""

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def write_arrow(pieces: Iterable[Columns], fields: Sequence[str], time: str, about: bytes = b"") -> Iterator[bytes]:
    """An Arrow IPC stream, a record batch a piece. Readers take one that was cut between two for whole: whoever
    sends it must break the connection.
    """
    import pyarrow

    sink, schema = _Sink(), _schema(fields, time, about)
    with pyarrow.ipc.new_stream(pyarrow.PythonFile(sink, "w"), schema) as writer:
        for columns in pieces:
            writer.write_batch(_batch(columns, schema))
            yield sink.take()
    yield sink.take()


def write_parquet(pieces: Iterable[Columns], fields: Sequence[str], time: str, about: bytes = b"") -> Iterator[bytes]:
    """A Parquet file, a row group a piece. Its index stands at the end, so one that was cut short cannot be opened."""
    import pyarrow
    from pyarrow import parquet

    sink, schema = _Sink(), _schema(fields, time, about)
    with parquet.ParquetWriter(pyarrow.PythonFile(sink, "w"), schema, compression="zstd") as writer:
        for columns in pieces:
            writer.write_batch(_batch(columns, schema))
            yield sink.take()
    yield sink.take()


def _schema(fields: Sequence[str], time: str, about: bytes) -> pyarrow.Schema:
    import pyarrow

    moment = pyarrow.timestamp("ms" if time == "iso" else time, tz="UTC")

    def kind(name: str) -> pyarrow.DataType:
        if name in TIMES:
            return moment
        if name in _WORDS:
            return pyarrow.string()
        if name in _FLAGS:
            return pyarrow.bool_()
        return pyarrow.int64() if name in _COUNTS else pyarrow.float64()

    return pyarrow.schema([(name, kind(name)) for name in fields], metadata={ABOUT: about} if about else None)


def _batch(columns: Columns, schema: pyarrow.Schema) -> pyarrow.RecordBatch:
    import pyarrow

    arrays = [_array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pyarrow.record_batch(arrays, schema=schema)


def _array(column: Any, kind: pyarrow.DataType) -> pyarrow.Array:
    import pyarrow

    if pyarrow.types.is_timestamp(kind):
        return pyarrow.array(column, pyarrow.int64()).cast(pyarrow.timestamp("s", tz="UTC")).cast(kind)
    return pyarrow.array(column, kind)

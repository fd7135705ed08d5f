"""The formats that bars are served and exported in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from marketdata.columns import Columns
from marketdata.formats_arrow import write_arrow, write_parquet
from marketdata.formats_text import write_csv, write_ndjson


class Format(NamedTuple):
    """``is_text``: compresses well, so gzip pays. ``is_streamed``: written a piece at a time, however many bars."""

    name: str
    media_type: str
    is_text: bool
    is_streamed: bool


FORMATS = {
    found.name: found
    for found in (
        Format("json", "application/json", is_text=True, is_streamed=False),
        Format("csv", "text/csv", is_text=True, is_streamed=True),
        Format("ndjson", "application/x-ndjson", is_text=True, is_streamed=True),
        Format("parquet", "application/vnd.apache.parquet", is_text=False, is_streamed=True),
        Format("arrow", "application/vnd.apache.arrow.stream", is_text=False, is_streamed=True),
    )
}
JSON = FORMATS["json"]

# pieces (at least one), their fields, how times are written (iso, s, ms, ns), JSON about the whole -> chunks of bytes.
# Text has no place for what is said about the whole.
Writer = Callable[[Iterable[Columns], Sequence[str], str, bytes], Iterator[bytes]]
WRITERS: dict[str, Writer] = {
    "csv": write_csv,
    "ndjson": write_ndjson,
    "parquet": write_parquet,
    "arrow": write_arrow,
}

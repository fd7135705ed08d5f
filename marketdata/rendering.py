"""Bars as one JSON answer, without serializer classes: those cost ten times as much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from marketdata.columns import Found, columns
from marketdata.formats_text import JSON_OPTIONS, json_times, rows
from marketdata.selectors import Reading


def render(reading: Reading, bars: Sequence[Found], meta: dict[str, Any], following: str | None) -> bytes:
    """The body of an answer: an object a bar, or with ``shape=columns`` a list a field."""
    query = reading.query
    found = columns(bars, query.columns, reading.instruments, query.interval)
    body: Any
    if query.shape == "columns":
        body = dict(zip(query.columns, json_times(found, query.columns, query.time), strict=True))
    else:
        body = rows(found, query.columns, query.time)
    return orjson.dumps({"bars": body, "meta": meta, "next": following}, option=JSON_OPTIONS)


def render_meta(meta: dict[str, Any]) -> bytes:
    """``meta`` alone, for formats that carry it beside the bars."""
    return orjson.dumps(meta, option=JSON_OPTIONS)

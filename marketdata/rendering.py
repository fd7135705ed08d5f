"""Bars as one JSON answer, without serializer classes: those cost ten times as much."""

from __future__ import annotations

from typing import Any

import orjson

from marketdata.columns import Piece, columns
from marketdata.formats_text import JSON_OPTIONS, json_columns, json_rows
from marketdata.selectors import Reading


def render(reading: Reading, bars: Piece, meta: dict[str, Any], following: str | None) -> bytes:
    """The body of an answer: an object a bar, or with ``shape=columns`` a list a field."""
    query = reading.query
    found = columns(bars, query.columns, reading.instruments, query.interval)
    if query.shape == "columns":
        body = json_columns(found, query.columns, query.time)
    else:
        body = b"[%b]" % json_rows(found, query.columns, query.time, between=b",")
    rest = render_meta({"meta": meta, "next": following})
    return b'{"bars":%b,%b' % (body, rest[1:])


def render_meta(meta: dict[str, Any]) -> bytes:
    """``meta`` alone, for formats that carry it beside the bars."""
    return orjson.dumps(meta, option=JSON_OPTIONS)

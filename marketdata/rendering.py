"""Bars as JSON bytes, without serializer classes: those cost a hundred times more than the bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from marketdata.documents import instant
from marketdata.selectors import Found

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS
# How a moment in epoch seconds is written.
_TIMES: dict[str, Callable[[int], Any]] = {
    "iso": instant,
    "s": int,
    "ms": lambda second: second * 1_000,
    "ns": lambda second: second * 1_000_000_000,
}


def render(
    bars: Sequence[Found], symbols: Sequence[str], meta: dict[str, Any], following: str | None, *, shape: str, time: str
) -> bytes:
    """The body of an answer: an object a bar, or with ``shape="columns"`` a list a field."""
    body = _columns(bars, symbols, _TIMES[time]) if shape == "columns" else _rows(bars, symbols, _TIMES[time])
    return orjson.dumps({"bars": body, "meta": meta, "next": following}, option=_OPTIONS)


def _rows(bars: Sequence[Found], symbols: Sequence[str], moment: Callable[[int], Any]) -> list[dict[str, Any]]:
    return [
        {
            "symbol": symbols[position],
            "open_time": moment(row.open_time),
            "open": row.open,
            "high": row.high,
            "low": row.low,
            "close": row.close,
            "volume": row.volume,
        }
        for position, row in bars
    ]


def _columns(bars: Sequence[Found], symbols: Sequence[str], moment: Callable[[int], Any]) -> dict[str, list[Any]]:
    return {
        "symbol": [symbols[position] for position, _ in bars],
        "open_time": [moment(row.open_time) for _, row in bars],
        "open": [row.open for _, row in bars],
        "high": [row.high for _, row in bars],
        "low": [row.low for _, row in bars],
        "close": [row.close for _, row in bars],
        "volume": [row.volume for _, row in bars],
    }

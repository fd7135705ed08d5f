"""What is said on the live socket (docs/live.md), encoded once. Pure: values in, bytes out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from domain.bar import Bar
from domain.tick import Quote
from quotes.status import Status

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC
Fields = dict[str, Any]  # a JSON object: its values are whatever JSON knows


def encode(message: Fields) -> bytes:
    """Compact JSON; aware times in UTC with ``Z``."""
    return orjson.dumps(message, option=_OPTIONS)


def time_of(time_ns: int) -> datetime:
    """Nanoseconds since 1970 as an aware time; JSON shows microseconds at most."""
    return datetime.fromtimestamp(time_ns / 1e9, UTC)


def bar_fields(bar: Bar) -> Fields:
    return {
        "open_time": bar.open_time,
        "close_time": bar.close_time,
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": bar.volume,
        "trades": bar.trades,
        "partial": bar.partial,
    }


def quote_fields(quote: Quote, as_of: datetime) -> Fields:
    """The quote with its change against the previous session's close, where both are known."""
    change = percent = None
    if quote.last is not None and quote.prev_close:
        change = quote.last - quote.prev_close
        percent = 100 * change / quote.prev_close
    return {
        "time": time_of(quote.time_ns),
        "last": quote.last,
        "bid": quote.bid,
        "ask": quote.ask,
        "volume": quote.volume,
        "prev_close": quote.prev_close,
        "change": change,
        "change_percent": percent,
        "open": quote.open,
        "high": quote.high,
        "low": quote.low,
        "as_of": as_of,
    }


def status_fields(status: Status, as_of: datetime) -> Fields:
    return {
        "state": status.state.value,
        "reason": status.reason,
        "since": status.since,
        "delay_seconds": status.delay_seconds,
        "opens_at": status.opens_at,
        "retry_at": status.retry_at,
        "as_of": as_of,
    }


def about(kind: str, symbol: str, epoch: int, seq: int, fields: Fields) -> bytes:
    """A message about a symbol."""
    return encode({"type": kind, "symbol": symbol, "epoch": epoch, "seq": seq, **fields})


def bar_message(bar: Bar, state: str, epoch: int, seq: int) -> bytes:
    """``state`` is forming, closed or amended."""
    fields = {"interval": bar.interval.value, "state": state, "bar": bar_fields(bar)}
    return about("bar", bar.symbol, epoch, seq, fields)


def history_message(symbol: str, interval: str | None, first: datetime, last: datetime) -> bytes:
    return encode({"type": "history", "symbol": symbol, "interval": interval, "first": first, "last": last})


def heartbeat_message(epoch: int, seqs: dict[str, int], time: datetime) -> bytes:
    return encode({"type": "heartbeat", "epoch": epoch, "seqs": seqs, "time": time})


def error_message(code: str, detail: str, field: str | None) -> bytes:
    return encode({"type": "error", "code": code, "detail": detail, "field": field})

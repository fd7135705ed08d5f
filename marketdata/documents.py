"""How a bar is spelled in MongoDB; nobody else knows.

One document a bar in a clustered collection. ``_id`` is 13 bytes, ``>IBq``: symbol id, interval code, open_time in
epoch seconds with its sign bit flipped, so that bytes sort as (symbol, interval, time). Every document begins with
the same fields, written and read as one C struct: open, high, low, close, volume (``o h l c v``, doubles) and the
instant of the last change (``u``). Then come those that differ from what most bars have: ``n`` trades, ``s`` true
for provisional, ``f`` the source if not history, ``p`` true for partial, ``r`` the revision from 1.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import bson
import numpy as np
import numpy.typing as npt

from domain.bar import Bar, BarSource, BarState
from domain.interval import Interval

_KEY = struct.Struct(">IBq")
SIGN = 1 << 63
_HEAD = struct.Struct("<i5siB13s3sd3sd3sd3sd3sd3sq")
_READ_HEAD = struct.Struct("<4x5x4x1x13x3xd3xd3xd3xd3xd")  # the same bytes, names skipped
_READ_NAMES = struct.Struct("<4x5s18x3s8x3s8x3s8x3s8x3s8x3s")  # and again, values skipped
_NAMES = (b"\x05_id\0", b"\x01o\0", b"\x01h\0", b"\x01l\0", b"\x01c\0", b"\x01v\0", b"\x09u\0")
_READ_TIME = struct.Struct(">q")
SIZE = struct.Struct("<i")
_LONG = struct.Struct("<q")
_HEAD_SIZE = _HEAD.size
_PLAIN = struct.Struct(_HEAD.format + "B")  # a document without any of the rarer fields
PLAIN_SIZE = _PLAIN.size
_UPDATED = _HEAD_SIZE - 8  # where the instant of the last change begins
_ID_AT = 4 + 5 + 4 + 1  # size, type and name, length, subtype
_TIME_AT = _ID_AT + 5
# A plain document again, as NumPy reads thousands at once: the values, and the bytes that are the same in each of them.
COLUMNS = np.dtype(
    {
        "names": ["time", *"ohlcv"],
        "formats": [">u8", *["<f8"] * 5],
        "offsets": [_TIME_AT, *range(_ID_AT + _KEY.size + 3, _HEAD_SIZE - 11, 11)],
        "itemsize": PLAIN_SIZE,
    }
)
_CONSTANT = np.array(
    [*range(_ID_AT), *(at + n for at in range(_ID_AT + _KEY.size, _HEAD_SIZE, 11) for n in range(3)), PLAIN_SIZE - 1]
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SOURCE_CODES = {BarSource.STREAM: 1, BarSource.ROLLUP: 2, BarSource.IMPORT: 3}  # never renumbered
_SOURCES = {code: source for source, code in _SOURCE_CODES.items()}


class Row(NamedTuple):
    """A stored bar as plain values; ``open_time`` in epoch seconds.

    ``adjusted``: how many of the series' splits the values take in, where that does not follow from ``open_time``.
    """

    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int | None = None
    state: BarState = BarState.FINAL
    source: BarSource = BarSource.HISTORY
    partial: bool = False
    revision: int = 0
    adjusted: int = 0


def seconds(instant: datetime) -> int:
    """Whole epoch seconds of an aware datetime; a fraction is cut off downwards."""
    return (instant - _EPOCH) // timedelta(seconds=1)


def instant(second: int) -> datetime:
    """The aware UTC datetime of an epoch second, of years before 1970 too."""
    return datetime.fromtimestamp(second, UTC)


def key(symbol_id: int, interval: Interval, open_time: int) -> bytes:
    """``_id`` of the bar of this series that opens at epoch second ``open_time``."""
    return _KEY.pack(symbol_id, interval.code, open_time - SIGN if open_time >= 0 else open_time + SIGN)


def keys(symbol_id: int, interval: Interval, open_times: Iterable[int]) -> list[bytes]:
    """``key`` of many bars of one series."""
    pack, code = _KEY.pack, interval.code
    return [pack(symbol_id, code, time - SIGN if time >= 0 else time + SIGN) for time in open_times]


def key_range(symbol_id: int, interval: Interval, start: int | None, end: int | None) -> tuple[bytes, bytes]:
    """Lower (included) and upper (excluded) ``_id`` of a series between two epoch seconds; None is open."""
    lower = _KEY.pack(symbol_id, interval.code, 0) if start is None else key(symbol_id, interval, start)
    upper = _KEY.pack(symbol_id, interval.code + 1, 0) if end is None else key(symbol_id, interval, end)
    return lower, upper


def encode(identity: bytes, bar: Bar, updated_ms: int, *, revision: int = 0, adjusted: int = 0) -> bytes:
    """The BSON document of ``bar``."""
    tail = _tail(bar, revision, adjusted)
    # fmt: off
    return _HEAD.pack(
        _HEAD_SIZE + len(tail), b"\x05_id\0", 13, 0, identity,
        b"\x01o\0", bar.open, b"\x01h\0", bar.high, b"\x01l\0", bar.low, b"\x01c\0", bar.close,
        b"\x01v\0", bar.volume, b"\x09u\0", updated_ms,
    ) + tail
    # fmt: on


def encode_all(identities: Iterable[bytes], bars: Iterable[Bar], updated_ms: int) -> list[bytes]:
    """``encode`` of many bars; those as history serves them, nearly all, cost one call of C each."""
    pack, final, history = _PLAIN.pack, BarState.FINAL, BarSource.HISTORY
    # fmt: off
    return [
        pack(
            PLAIN_SIZE, b"\x05_id\0", 13, 0, identity,
            b"\x01o\0", bar.open, b"\x01h\0", bar.high, b"\x01l\0", bar.low, b"\x01c\0", bar.close,
            b"\x01v\0", bar.volume, b"\x09u\0", updated_ms, 0,
        )
        if bar.state is final and bar.source is history and bar.trades is None and not bar.partial
        else encode(identity, bar, updated_ms)
        for identity, bar in zip(identities, bars, strict=True)
    ]
    # fmt: on


_PLAIN_BYTES = np.frombuffer(
    _PLAIN.pack(
        *(PLAIN_SIZE, b"\x05_id\0", 13, 0, b""),
        *(part for name in _NAMES[1:6] for part in (name, 0.0)),
        *(_NAMES[6], 0, 0),
    ),
    np.uint8,
)[_CONSTANT]


def _tail(bar: Bar, revision: int, adjusted: int) -> bytes:
    parts = []
    if bar.trades is not None:
        parts.append(b"\x12n\0" + _LONG.pack(bar.trades))
    if bar.state is BarState.PROVISIONAL:
        parts.append(b"\x08s\0\1")
    if bar.source is not BarSource.HISTORY:
        parts.append(b"\x10f\0" + SIZE.pack(_SOURCE_CODES[bar.source]))
    if bar.partial:
        parts.append(b"\x08p\0\1")
    if revision:
        parts.append(b"\x10r\0" + SIZE.pack(revision))
    if adjusted:
        parts.append(b"\x10a\0" + SIZE.pack(adjusted))
    return b"".join(parts) + b"\0"


def split(batches: Iterable[Any]) -> Iterator[bytes]:
    """The documents of raw batches, each the bytes of its documents one after another."""
    for batch in batches:
        begins = [*places(batch), len(batch)]
        yield from (batch[begin:end] for begin, end in itertools.pairwise(begins))


def places(batch: bytes) -> Iterator[int]:
    """Where each document of a raw batch begins."""
    position, end, size_at = 0, len(batch), SIZE.unpack_from
    while position < end:
        yield position
        position += size_at(batch, position)[0]


def are_plain(heads: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Of documents, by the first PLAIN_SIZE bytes of each, a line each: which have nothing but what all bars have."""
    is_plain: npt.NDArray[np.bool_] = (heads[:, _CONSTANT] == _PLAIN_BYTES).all(axis=1)
    return is_plain


def identity(document: bytes) -> bytes:
    """The ``_id`` of a document."""
    return document[_ID_AT : _ID_AT + _KEY.size]


def open_time(document: bytes) -> int:
    """The epoch second at which the bar of ``document`` opens."""
    flipped: int = _READ_TIME.unpack_from(document, _TIME_AT)[0]
    return flipped + SIGN if flipped < 0 else flipped - SIGN


def decode(document: bytes) -> Row:
    """The values of a document, fast where ``encode`` made it; one that another program rewrote is read by name."""
    if len(document) < PLAIN_SIZE or _READ_NAMES.unpack_from(document) != _NAMES:
        plain = bson.decode(document)
        return _row(document, *(float(plain[name]) for name in "ohlcv"), rare=plain)
    opened, high, low, close, volume = _READ_HEAD.unpack_from(document)
    if len(document) == PLAIN_SIZE:
        return Row(open_time(document), opened, high, low, close, volume)
    return _row(document, opened, high, low, close, volume, rare=bson.decode(document))


def _row(document: bytes, *values: float, rare: dict[str, Any]) -> Row:
    opened, high, low, close, volume = values
    return Row(
        open_time(document),
        opened,
        high,
        low,
        close,
        volume,
        rare.get("n"),
        BarState.PROVISIONAL if rare.get("s") else BarState.FINAL,
        _SOURCES.get(rare.get("f", 0), BarSource.HISTORY),
        bool(rare.get("p")),
        rare.get("r", 0),
        rare.get("a", 0),
    )


def is_same(document: bytes, other: bytes) -> bool:
    """Whether two documents differ in nothing but the instant of their last change."""
    return document[:_UPDATED] == other[:_UPDATED] and document[_HEAD_SIZE:] == other[_HEAD_SIZE:]


def revised(document: bytes, *, revision: int, replaced_at: datetime) -> dict[str, Any]:
    """The record in ``bar_revisions`` of the version that is replaced: as it was, ``_id`` longer by the microsecond.

    Its number would not do: a bar that was taken away and came again counts from nothing.
    """
    moment = struct.pack(">Q", (replaced_at - _EPOCH) // timedelta(microseconds=1))
    return bson.decode(document) | {"_id": identity(document) + moment, "r": revision, "replaced_at": replaced_at}

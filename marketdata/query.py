"""What may be asked of ``/api/v1/bars``: a checked question, and the cursor that asks it again further on."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from rest_framework import serializers

from domain.errors import InvalidRequest
from domain.interval import Interval
from marketdata.columns import DEFAULT_FIELDS, FIELDS
from marketdata.documents import instant
from symbols.services import normal_code

DEFAULT_LIMIT, MOST_BARS, MOST_STREAMED = 1_000, 10_000, 100_000
MOST_SYMBOLS = 50
MOST_SKIPPED = 10_000  # what lies further on is reached through `next`, which costs nothing
ORDERS = ("asc", "desc")
SHAPES = ("rows", "columns")
TIMES = ("iso", "s", "ms", "ns")
FILLS = ("none", "zero", "ffill")
# Epoch seconds between which nanoseconds fit into 64 bits: years 1677 to 2262.
NANOSECONDS_FIT = range(-9_223_372_036, 9_223_372_036)


@dataclass(frozen=True, slots=True, kw_only=True)
class BarsQuery:
    """A checked question. ``start`` and ``end`` are epoch seconds, ``[start, end)``, None where open.

    ``after`` is the place of the last bar of the page before: its open_time and the position of its symbol.
    """

    symbols: tuple[str, ...]
    interval: Interval
    start: int | None = None
    end: int | None = None
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    order: str | None = None
    shape: str = "rows"
    time: str = "iso"
    fields: tuple[str, ...] = DEFAULT_FIELDS
    fill: str = "none"
    include_forming: bool = False
    after: tuple[int, int] | None = None

    @property
    def reads_forward(self) -> bool:
        """Whether bars are taken from the start of the range; else the newest are, whatever their order."""
        return self.order == "asc" and self.start is not None

    @property
    def is_ascending(self) -> bool:
        return self.order == "asc"

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields of each bar; those that tell made-up and forming ones from the rest are there unasked."""
        marks = [("filled", self.fill != "none"), ("state", self.include_forming)]
        return (*self.fields, *(name for name, is_needed in marks if is_needed and name not in self.fields))

    def cursor(self, after: tuple[int, int]) -> str:
        """The whole question for the page after the bar at ``after``, as one opaque word."""
        return base64.urlsafe_b64encode(orjson.dumps(asdict(self) | {"after": after, "offset": 0})).decode().rstrip("=")


def parse_cursor(text: str, most: int) -> BarsQuery:
    """The question that ``cursor`` wrote; ``most`` bars a page at most. Raises ValidationError."""
    try:
        values = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        moment, position = values["after"]
        query = BarsQuery(
            **values
            | {
                "symbols": tuple(normal_code(code) for code in values["symbols"]),
                "interval": Interval(values["interval"]),
                "fields": tuple(values["fields"]),
                "after": (int(moment), int(position)),
            }
        )
        _check(query)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, InvalidRequest) as error:
        raise serializers.ValidationError({"cursor": ["not a cursor that this API made"]}) from error
    if query.limit > most:
        raise serializers.ValidationError({"cursor": [f"asks for {query.limit} bars a page; here {most} at most"]})
    return query


def _check(query: BarsQuery) -> None:
    """Anybody can write a cursor, so it may not ask for more than parameters may."""
    for moment in (query.start, query.end, query.after and query.after[0]):
        if moment is not None:
            instant(moment + 1)  # raises where a date would
            instant(moment - 1)
            if query.time == "ns" and moment not in NANOSECONDS_FIT:
                raise ValueError("no nanoseconds")
    if not (_is_whole(query.limit) and 1 <= query.limit <= MOST_STREAMED and 1 <= len(query.symbols) <= MOST_SYMBOLS):
        raise ValueError("limits exceeded")
    if not (query.offset == 0 and isinstance(query.include_forming, bool)):
        raise ValueError("not what a cursor holds")
    if query.order not in (*ORDERS, None) or query.shape not in SHAPES or query.time not in TIMES:
        raise ValueError("unknown words")
    if query.fill not in FILLS or not query.fields or len(set(query.fields) & set(FIELDS)) != len(query.fields):
        raise ValueError("unknown fields")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

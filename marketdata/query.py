"""What may be asked of ``/api/v1/bars``, read from the parameters of a URL with all mistakes told at once."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson
from django.http import QueryDict
from rest_framework import serializers

from domain.errors import InvalidRequest
from domain.interval import Interval
from marketdata.documents import instant, seconds
from marketdata.moments import parse_moment
from symbols.parameters import unknown_parameters
from symbols.services import normal_code

DEFAULT_LIMIT, MOST_BARS, MOST_SYMBOLS = 1_000, 10_000, 50
ORDERS = ("asc", "desc")
SHAPES = ("rows", "columns")
TIMES = ("iso", "s", "ms", "ns")
KNOWN = frozenset(
    {
        "symbols",
        "symbol",
        "interval",
        "timeframe",
        "start",
        "end",
        "limit",
        "order",
        "shape",
        "time",
        "cursor",
        "format",
    }
)


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
    order: str | None = None
    shape: str = "rows"
    time: str = "iso"
    after: tuple[int, int] | None = None

    @property
    def reads_forward(self) -> bool:
        """Whether bars are taken from the start of the range; else the newest are, whatever their order."""
        return self.order == "asc" and self.start is not None

    @property
    def is_ascending(self) -> bool:
        return self.order == "asc"

    def cursor(self, after: tuple[int, int]) -> str:
        """The whole question for the page after the bar at ``after``, as one opaque word."""
        return base64.urlsafe_b64encode(orjson.dumps(asdict(self) | {"after": after})).decode().rstrip("=")


def parse_query(parameters: QueryDict, now: datetime) -> BarsQuery:
    """The question that ``parameters`` ask. Raises ValidationError naming every mistake by its parameter."""
    problems = unknown_parameters(parameters, KNOWN)
    if "cursor" in parameters:
        if others := set(parameters) - {"cursor", "format"} - set(problems):
            problems["cursor"] = [f"a cursor holds the other parameters: leave out {', '.join(sorted(others))}"]
        if problems:
            raise serializers.ValidationError(problems)
        return _from_cursor(str(parameters["cursor"]))
    reader = _Reader(parameters, now, problems)
    values = reader.read()
    if problems:
        raise serializers.ValidationError(problems)
    return BarsQuery(**values)


def _from_cursor(text: str) -> BarsQuery:
    try:
        values = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        moment, position = values["after"]
        query = BarsQuery(
            **values
            | {
                "symbols": tuple(normal_code(code) for code in values["symbols"]),
                "interval": Interval(values["interval"]),
                "after": (int(moment), int(position)),
            }
        )
        _check_cursor(query)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, InvalidRequest) as error:
        raise serializers.ValidationError({"cursor": ["not a cursor that this API made"]}) from error
    return query


def _check_cursor(query: BarsQuery) -> None:
    """Anybody can write a cursor, so it may not ask for more than parameters may."""
    for moment in (query.start, query.end, query.after and query.after[0]):
        if moment is not None:
            instant(moment + 1)  # raises where a date would
    if not (isinstance(query.limit, int) and 1 <= query.limit <= MOST_BARS and 1 <= len(query.symbols) <= MOST_SYMBOLS):
        raise ValueError("limits exceeded")
    if query.order not in (*ORDERS, None) or query.shape not in SHAPES or query.time not in TIMES:
        raise ValueError("unknown words")


class _Reader:
    """Reads one parameter after the other; what is wrong goes to ``problems``, by its parameter."""

    def __init__(self, parameters: QueryDict, now: datetime, problems: dict[str, list[str]]) -> None:
        self._parameters = parameters
        self._now = now
        self._problems = problems

    def read(self) -> Mapping[str, Any]:
        start, end = self._moment("start"), self._moment("end")
        if start is not None and end is not None and start > end:
            self._problem("start", "start is after end: a range is [start, end)")
        return {
            "symbols": self._symbols(),
            "interval": self._interval(),
            "start": start,
            "end": end,
            "limit": self._limit(),
            "order": self._word("order", ORDERS, None),
            "shape": self._word("shape", SHAPES, SHAPES[0]),
            "time": self._word("time", TIMES, TIMES[0]),
        }

    def _problem(self, name: str, text: str) -> None:
        self._problems.setdefault(name, []).append(text)

    def _one_of(self, name: str, alias: str) -> str:
        """The name by which a parameter was given, if by either of its two."""
        if name in self._parameters and alias in self._parameters:
            self._problem(alias, f"means the same as {name}: give one of them")
        return alias if alias in self._parameters else name

    def _symbols(self) -> tuple[str, ...]:
        name = self._one_of("symbols", "symbol")
        codes: dict[str, None] = {}
        for text in ",".join(self._parameters.getlist(name)).split(","):
            if text.strip():
                try:
                    codes[normal_code(text)] = None
                except InvalidRequest as error:
                    self._problem(name, str(error))
        if not codes and name not in self._problems:
            self._problem(name, "required: one or more of EXCHANGE:TICKER, with commas between")
        if len(codes) > MOST_SYMBOLS:
            self._problem(name, f"at most {MOST_SYMBOLS} symbols at once, not {len(codes)}")
        return tuple(codes)

    def _interval(self) -> Interval | None:
        name = self._one_of("interval", "timeframe")
        text = self._parameters.get(name, "")
        if not text:
            self._problem(name, f"required: one of {' '.join(Interval)}")
            return None
        try:
            return Interval.parse(text)
        except InvalidRequest as error:
            self._problem(name, str(error))
            return None

    def _moment(self, name: str) -> int | None:
        if name not in self._parameters:
            return None
        try:
            moment = parse_moment(str(self._parameters[name]), self._now)
        except InvalidRequest as error:
            self._problem(name, str(error))
            return None
        return seconds(moment) + (moment.microsecond > 0)

    def _limit(self) -> int:
        text = self._parameters.get("limit", str(DEFAULT_LIMIT))
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_BARS and len(text) < 9):
            self._problem("limit", f"a whole number from 1 to {MOST_BARS}, not {text[:20]!r}")
            return DEFAULT_LIMIT
        return int(text)

    def _word(self, name: str, words: tuple[str, ...], default: str | None) -> str | None:
        word = self._parameters.get(name, default)
        if word not in (*words, default):
            self._problem(name, f"one of {', '.join(words)}, not {str(word)[:20]!r}")
        return word

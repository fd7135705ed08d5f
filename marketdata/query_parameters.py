"""A question to ``/api/v1/bars`` read from the parameters of a URL, with all mistakes told at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import QueryDict
from rest_framework import serializers

from domain.errors import InvalidRequest
from domain.interval import Interval
from marketdata.columns import DEFAULT_FIELDS, FIELDS
from marketdata.documents import seconds
from marketdata.formats import FORMATS, Format
from marketdata.moments import parse_moment
from marketdata.query import (
    DEFAULT_LIMIT,
    FILLS,
    MOST_BARS,
    MOST_SKIPPED,
    MOST_STREAMED,
    MOST_SYMBOLS,
    NANOSECONDS_FIT,
    ORDERS,
    SHAPES,
    TIMES,
    BarsQuery,
    parse_cursor,
)
from symbols.parameters import unknown_parameters
from symbols.services import normal_code

PAGE = "api"  # the browsable API's own name for its format
KNOWN = frozenset(
    {
        "symbols",
        "symbol",
        "interval",
        "timeframe",
        "start",
        "end",
        "limit",
        "offset",
        "order",
        "shape",
        "time",
        "fields",
        "fill",
        "include_forming",
        "cursor",
        "format",
    }
)
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def parse_query(parameters: QueryDict, now: datetime, answer: Format) -> BarsQuery:
    """The question that ``parameters`` ask, to be answered in the format ``answer``.

    Raises ValidationError naming every mistake by its parameter.
    """
    problems = unknown_parameters(parameters, KNOWN)
    if "format" in parameters and parameters["format"] not in (*FORMATS, PAGE):
        problems["format"] = [f"one of {', '.join(FORMATS)}, not {parameters['format'][:20]!r}"]
    most = MOST_STREAMED if answer.is_streamed else MOST_BARS
    if "cursor" in parameters:
        if others := set(parameters) - {"cursor", "format"} - set(problems):
            problems["cursor"] = [f"a cursor holds the other parameters: leave out {', '.join(sorted(others))}"]
        if problems:
            raise serializers.ValidationError(problems)
        return parse_cursor(str(parameters["cursor"]), most)
    reader = _Reader(parameters, now, most, problems)
    values = reader.read()
    if values["shape"] == "columns" and answer.is_streamed:
        problems.setdefault("shape", []).append(f"columns are a shape of json; {answer.name} has its own")
    if problems:
        raise serializers.ValidationError(problems)
    return BarsQuery(**values)


class _Reader:
    """Reads one parameter after the other; what is wrong goes to ``problems``, by its parameter."""

    def __init__(self, parameters: QueryDict, now: datetime, most: int, problems: dict[str, list[str]]) -> None:
        self._parameters = parameters
        self._now = now
        self._most = most
        self._problems = problems

    def read(self) -> Mapping[str, Any]:
        start, end = self._moment("start"), self._moment("end")
        if start is not None and end is not None and start > end:
            self._problem("start", "start is after end: a range is [start, end)")
        if self._parameters.get("time") == "ns" and start is not None and start not in NANOSECONDS_FIT:
            self._problem("time", "nanoseconds reach from 1678 to 2261: begin there, or take ms")
        return {
            "symbols": self._symbols(),
            "interval": self._interval(),
            "start": start,
            "end": end,
            "limit": self._number("limit", 1, self._most, DEFAULT_LIMIT),
            "offset": self._number("offset", 0, MOST_SKIPPED, 0),
            "order": self._word("order", ORDERS, None),
            "shape": self._word("shape", SHAPES, SHAPES[0]),
            "time": self._word("time", TIMES, TIMES[0]),
            "fields": self._fields(),
            "fill": self._word("fill", FILLS, FILLS[0]),
            "include_forming": self._flag("include_forming"),
        }

    def _problem(self, name: str, text: str) -> None:
        self._problems.setdefault(name, []).append(text)

    def _one_of(self, name: str, alias: str) -> str:
        """The name by which a parameter was given, if by either of its two."""
        if name in self._parameters and alias in self._parameters:
            self._problem(alias, f"means the same as {name}: give one of them")
        return alias if alias in self._parameters else name

    def _listed(self, name: str) -> list[str]:
        """What stands between commas; the parameter may also be repeated."""
        return [text for text in ",".join(self._parameters.getlist(name)).split(",") if text.strip()]

    def _symbols(self) -> tuple[str, ...]:
        name = self._one_of("symbols", "symbol")
        codes: dict[str, None] = {}
        for text in self._listed(name):
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

    def _number(self, name: str, least: int, most: int, default: int) -> int:
        text = self._parameters.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 9 and least <= int(text) <= most):
            self._problem(name, f"a whole number from {least} to {most}, not {text[:20]!r}")
            return default
        return int(text)

    def _word(self, name: str, words: tuple[str, ...], default: str | None) -> str | None:
        word = self._parameters.get(name, default)
        if word not in (*words, default):
            self._problem(name, f"one of {', '.join(words)}, not {str(word)[:20]!r}")
        return word

    def _flag(self, name: str) -> bool:
        word = self._parameters.get(name, "false").lower()
        if word not in _FLAGS:
            self._problem(name, f"true or false, not {word[:20]!r}")
        return _FLAGS.get(word, False)

    def _fields(self) -> tuple[str, ...]:
        if "fields" not in self._parameters:
            return DEFAULT_FIELDS
        names = tuple(dict.fromkeys(name.strip() for name in self._listed("fields")))
        for name, (told, *_) in unknown_parameters(names, FIELDS).items():
            self._problem("fields", f"{name[:20]!r}: {told.replace('parameter', 'field')}")
        if not names:
            self._problem("fields", f"one or more of {', '.join(FIELDS)}")
        return names

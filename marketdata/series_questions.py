"""What may be asked about series: which symbols, which intervals, which range, which page. Read the same everywhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from django.http import HttpResponse, QueryDict
from rest_framework import serializers
from rest_framework.request import Request

from domain.errors import InvalidRequest, UnknownSymbol
from domain.interval import Interval
from marketdata.moments import parse_moment
from marketdata.plan_spans import nominal_seconds
from symbols.models import Symbol
from symbols.parameters import unknown_parameters
from symbols.services import normal_code

KNOWN = frozenset({"symbols", "symbol", "interval", "start", "end", "limit", "offset", "format"})
DEFAULT_DAYS, MOST_DAYS = 120, 3_700  # of a strip
# Bars that a market which never closes would have in a range: of all series together, and of each calendar and interval
# once, which costs most of the time. About five seconds each.
MOST_BARS, MOST_BARS_OF_CALENDARS = 200_000_000, 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Some symbols at some intervals, a page of them; the range ``[start, end)``, None where open.

    ``days``: how many of its last days are told one by one; of weeks and months as many weeks and months.
    """

    symbols: Sequence[Symbol]
    intervals: Sequence[Interval]
    now: datetime
    start: datetime | None
    end: datetime | None
    limit: int
    offset: int
    days: int = DEFAULT_DAYS

    def check_range(self, symbols: Sequence[Symbol]) -> None:
        """Raises InvalidRequest where more is to be counted of these symbols than anybody should wait for."""
        if self.start is None:
            return  # from the first stored bar on: that much was brought here
        seconds = max((min(self.end or self.now, self.now) - self.start).total_seconds(), 0.0)
        bars = sum(seconds / nominal_seconds(interval) for interval in self.intervals)
        calendars = len({symbol.calendar_name for symbol in symbols})
        if bars * len(symbols) > MOST_BARS or bars * calendars > MOST_BARS_OF_CALENDARS:
            raise InvalidRequest(
                f"start: about {bars * len(symbols):,.0f} bars would have to be counted, too many at once; choose a "
                "later start, or fewer symbols or intervals; without start each series counts from its first bar on"
            )

    def page(self, request: Request, count: int, results: list[dict[str, Any]]) -> dict[str, Any]:
        following = self.offset + self.limit
        parameters = {**request.query_params.dict(), "offset": following}
        more = request.build_absolute_uri(f"{request.path}?{urlencode(parameters)}") if following < count else None
        return {"count": count, "next": more, "as_of": self.now, "results": results}


def read_question(
    parameters: QueryDict, now: datetime, default: int, most: int, *, known: Collection[str] = KNOWN
) -> Question:
    """Raises ValidationError naming every mistake by its parameter, UnknownSymbol."""
    problems = unknown_parameters(parameters, known)
    values: dict[str, Any] = {}
    readers: dict[str, Callable[[str], Any]] = {
        "start": lambda text: parse_moment(text, now),
        "end": lambda text: parse_moment(text, now),
        "interval": lambda text: [Interval.parse(each) for each in text.split(",")],
        "symbols": lambda text: [normal_code(code) for code in text.split(",") if code.strip()],
        "symbol": lambda text: [normal_code(code) for code in text.split(",") if code.strip()],
        "limit": lambda text: _whole(text, 1, most),
        "offset": lambda text: _whole(text, 0, 10**6),
        "days": lambda text: _whole(text, 0, MOST_DAYS),
    }
    for name, read in readers.items():
        if name in parameters:
            try:
                values[name] = read(str(parameters[name]))
            except InvalidRequest as error:
                problems.setdefault(name, []).append(str(error))
    start, end = values.get("start"), values.get("end")
    if start is not None and end is not None and start > end:
        problems.setdefault("start", []).append("start is after end: a range is [start, end)")
    if problems:
        raise serializers.ValidationError(problems)
    return Question(
        symbols=_symbols(values.get("symbols") or values.get("symbol")),
        intervals=values.get("interval") or list(Interval),
        now=now,
        start=start,
        end=end,
        limit=values.get("limit", default),
        offset=values.get("offset", 0),
        days=values.get("days", DEFAULT_DAYS),
    )


def _whole(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9 and least <= int(text) <= most):
        raise InvalidRequest(f"a whole number from {least} to {most:,}, not {text[:20]!r}")
    return int(text)


def _symbols(codes: list[str] | None) -> list[Symbol]:
    if codes is None:
        return list(Symbol.objects.active())
    found = {symbol.code: symbol for symbol in Symbol.objects.select_related("exchange").filter(code__in=codes)}
    if unknown := [code for code in codes if code not in found]:
        raise UnknownSymbol(f"not registered: {', '.join(unknown[:20])}")
    return [found[code] for code in dict.fromkeys(codes)]


def answered(answer: dict[str, Any]) -> HttpResponse:
    """As JSON."""
    body = orjson.dumps(answer, option=orjson.OPT_UTC_Z)
    return HttpResponse(body, content_type="application/json")

"""Coverage over HTTP: how complete each series is, what is missing, why, and until when it can be had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import orjson
from django.http import HttpResponse, QueryDict
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from domain.errors import InvalidRequest, UnknownSymbol
from domain.interval import Interval
from marketdata.coverage import coverage_values, covered, day_values, days, gap_values, gaps, hole_values
from marketdata.moments import parse_moment
from symbols.models import Symbol
from symbols.parameters import unknown_parameters
from symbols.services import normal_code

DEFAULT_SYMBOLS, MOST_SYMBOLS = 50, 500
DEFAULT_GAPS, MOST_GAPS = 1_000, 10_000
MOST_DAYS = 3_700
_KNOWN = frozenset({"symbols", "symbol", "interval", "start", "end", "limit", "offset", "verify", "format"})
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_PARAMETERS = [
    OpenApiParameter(
        "symbols", str, description="with commas between; all that are not retired without; alias `symbol`"
    ),
    OpenApiParameter("symbol", str, description="alias of `symbols`"),
    OpenApiParameter("interval", str, description="one or several with commas between; all 13 without"),
    OpenApiParameter("start", str, description="first key, included; without it from each series' first bar on"),
    OpenApiParameter("end", str, description="not included; `now` without"),
    OpenApiParameter("limit", int, description=f"symbols a page, 1 to {MOST_SYMBOLS}; {DEFAULT_SYMBOLS} without"),
    OpenApiParameter("offset", int, description="symbols to leave out first"),
    OpenApiParameter("verify", bool, description="compare with the stored bars first, which takes longer"),
]


class _SeriesCoverage(serializers.Serializer[Any]):
    """One series. `share`: stored of what can be had, 0 to 1; null if nothing is expected, or was ever asked for."""

    symbol = serializers.CharField()
    interval = serializers.ChoiceField([interval.value for interval in Interval])
    start = serializers.DateTimeField(allow_null=True)
    end = serializers.DateTimeField(allow_null=True)
    expected = serializers.IntegerField()
    stored = serializers.IntegerField()
    none_at_provider = serializers.IntegerField()
    missing = serializers.IntegerField()
    unexpected = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True)
    first = serializers.DateTimeField(allow_null=True)
    last = serializers.DateTimeField(allow_null=True)
    bars = serializers.IntegerField()
    data_version = serializers.CharField(allow_null=True)


class _Hole(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    bars = serializers.IntegerField()
    reason = serializers.CharField()
    recoverable_until = serializers.DateTimeField(allow_null=True)
    detail = serializers.CharField(allow_blank=True)


class _Day(serializers.Serializer[Any]):
    date = serializers.DateField()
    expected = serializers.IntegerField()
    stored = serializers.IntegerField()
    none_at_provider = serializers.IntegerField()


class CoveragePageSerializer(serializers.Serializer[Any]):
    """`count` symbols in all. `days` and `holes` are there if one symbol and one interval were asked for."""

    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    as_of = serializers.DateTimeField()
    results = _SeriesCoverage(many=True)
    days = _Day(many=True, required=False)
    holes = _Hole(many=True, required=False)
    holes_omitted = serializers.IntegerField(required=False)


class _Gap(_Hole):
    symbol = serializers.CharField()
    interval = serializers.CharField()


class GapsSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    as_of = serializers.DateTimeField()
    results = _Gap(many=True)


class CoverageView(APIView):
    """``GET /api/v1/coverage``."""

    @extend_schema(
        summary="How complete the series are",
        description="A matrix of symbols and intervals; for one series also its days and its holes.",
        parameters=_PARAMETERS,
        responses=CoveragePageSerializer,
    )
    def get(self, request: Request) -> HttpResponse:
        question = _read(request.query_params, timezone.now(), DEFAULT_SYMBOLS, MOST_SYMBOLS)
        page = question.symbols[question.offset : question.offset + question.limit]
        is_one = len(question.symbols) == 1 and len(question.intervals) == 1
        found = list(
            covered(
                page,
                question.intervals,
                now=question.now,
                start=question.start,
                end=question.end,
                verifies=question.verifies,
                lists_holes=is_one,
            )
        )
        answer = question.page(request, len(question.symbols), [coverage_values(each) for each in found])
        if is_one:
            answer |= _details(found[0], question)
        return _json(answer)


def _details(found: Any, question: _Question) -> dict[str, Any]:
    end = question.end or question.now
    start = question.start or (found.series.first if found.series else end)
    strip = days(found.symbol, found.interval, max(start, end - timedelta(days=MOST_DAYS)), end, now=question.now)
    return {
        "days": [day_values(day) for day in strip],
        "holes": [hole_values(hole) for hole in found.coverage.holes],
        "holes_omitted": found.coverage.omitted,
    }


class GapsView(APIView):
    """``GET /api/v1/gaps``."""

    @extend_schema(
        summary="What is missing",
        description="Holes of all series, those that can be had for the shortest time first.",
        parameters=[
            *(parameter for parameter in _PARAMETERS if parameter.name not in ("limit", "offset")),
            OpenApiParameter("limit", int, description=f"gaps a page, 1 to {MOST_GAPS:,}"),
            OpenApiParameter("offset", int, description="gaps to leave out first"),
        ],
        responses=GapsSerializer,
    )
    def get(self, request: Request) -> HttpResponse:
        question = _read(request.query_params, timezone.now(), DEFAULT_GAPS, MOST_GAPS)
        found = gaps(
            question.symbols,
            question.intervals,
            now=question.now,
            start=question.start,
            end=question.end,
            verifies=question.verifies,
        )
        page = found[question.offset : question.offset + question.limit]
        return _json(question.page(request, len(found), [gap_values(gap) for gap in page]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    symbols: Sequence[Symbol]
    intervals: Sequence[Interval]
    now: datetime
    start: datetime | None
    end: datetime | None
    limit: int
    offset: int
    verifies: bool

    def page(self, request: Request, count: int, results: list[dict[str, Any]]) -> dict[str, Any]:
        following = self.offset + self.limit
        parameters = {**request.query_params.dict(), "offset": following}
        more = request.build_absolute_uri(f"{request.path}?{urlencode(parameters)}") if following < count else None
        return {"count": count, "next": more, "as_of": self.now, "results": results}


def _read(parameters: QueryDict, now: datetime, default: int, most: int) -> _Question:
    """Raises ValidationError naming every mistake by its parameter, UnknownSymbol."""
    problems = unknown_parameters(parameters, _KNOWN)
    values: dict[str, Any] = {}
    for name, read in {
        "start": lambda text: parse_moment(text, now),
        "end": lambda text: parse_moment(text, now),
        "interval": lambda text: [Interval.parse(each) for each in text.split(",")],
        "symbols": lambda text: [normal_code(code) for code in text.split(",") if code.strip()],
        "symbol": lambda text: [normal_code(code) for code in text.split(",") if code.strip()],
        "limit": lambda text: _whole(text, 1, most),
        "offset": lambda text: _whole(text, 0, 10**6),
        "verify": _truth,
    }.items():
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
    return _Question(
        symbols=_symbols(values.get("symbols") or values.get("symbol")),
        intervals=values.get("interval") or list(Interval),
        now=now,
        start=start,
        end=end,
        limit=values.get("limit", default),
        offset=values.get("offset", 0),
        verifies=values.get("verify", False),
    )


def _whole(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9 and least <= int(text) <= most):
        raise InvalidRequest(f"a whole number from {least} to {most:,}, not {text[:20]!r}")
    return int(text)


def _truth(text: str) -> bool:
    if text not in _TRUTH:
        raise InvalidRequest("write true or false")
    return _TRUTH[text]


def _symbols(codes: list[str] | None) -> list[Symbol]:
    if codes is None:
        return list(Symbol.objects.active())
    found = {symbol.code: symbol for symbol in Symbol.objects.select_related("exchange").filter(code__in=codes)}
    if unknown := [code for code in codes if code not in found]:
        raise UnknownSymbol(f"not registered: {', '.join(unknown[:20])}")
    return [found[code] for code in dict.fromkeys(codes)]


def _json(answer: dict[str, Any]) -> HttpResponse:
    body = orjson.dumps(answer, option=orjson.OPT_UTC_Z)
    return HttpResponse(body, content_type="application/json")

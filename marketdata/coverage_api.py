"""Coverage over HTTP: how complete each series is, what is missing, why, and until when it can be had."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from domain.interval import Interval
from marketdata.coverage import coverage_values, covered, day_values, gap_values, gaps, hole_values, strip
from marketdata.series_questions import DEFAULT_DAYS, KNOWN, MOST_DAYS, Question, answered, read_question
from marketdata.sync_docs import problems

DEFAULT_SYMBOLS, MOST_SYMBOLS = 50, 500
DEFAULT_GAPS, MOST_GAPS = 1_000, 10_000
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
    """`count` symbols in all. `days` and `holes` are there if one symbol and one interval were asked for.

    Days before `days_from` are left out.
    """

    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    as_of = serializers.DateTimeField()
    results = _SeriesCoverage(many=True)
    days = _Day(many=True, required=False)
    days_from = serializers.DateTimeField(required=False)
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
        parameters=[
            *_PARAMETERS,
            OpenApiParameter(
                "days",
                int,
                description=f"of one series: how many of its last days (weeks at 1w, months at 1M) are listed, "
                f"0 to {MOST_DAYS:,}; {DEFAULT_DAYS} without",
            ),
        ],
        responses={200: CoveragePageSerializer, **problems(404)},
    )
    def get(self, request: Request) -> HttpResponse:
        now = timezone.now()
        question = read_question(request.query_params, now, DEFAULT_SYMBOLS, MOST_SYMBOLS, known=KNOWN | {"days"})
        page = question.symbols[question.offset : question.offset + question.limit]
        question.check_range(page)
        is_one = len(question.symbols) == 1 and len(question.intervals) == 1
        found = list(
            covered(
                page,
                question.intervals,
                now=question.now,
                start=question.start,
                end=question.end,
                lists_holes=is_one,
            )
        )
        answer = question.page(request, len(question.symbols), [coverage_values(each) for each in found])
        if is_one:
            answer |= _details(found[0], question)
        return answered(answer)


def _details(found: Any, question: Question) -> dict[str, Any]:
    begins, days = strip(found, question.days, start=question.start, end=question.end, now=question.now)
    return {
        "days": [day_values(day) for day in days],
        "days_from": begins,
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
        responses={200: GapsSerializer, **problems(404)},
    )
    def get(self, request: Request) -> HttpResponse:
        question = read_question(request.query_params, timezone.now(), DEFAULT_GAPS, MOST_GAPS)
        question.check_range(question.symbols)
        found = gaps(
            question.symbols,
            question.intervals,
            now=question.now,
            start=question.start,
            end=question.end,
        )
        page = found[question.offset : question.offset + question.limit]
        return answered(question.page(request, len(found), [gap_values(gap) for gap in page]))

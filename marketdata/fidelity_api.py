"""Fidelity over HTTP: how well the bars that our stream built agreed with the provider's history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from domain.interval import Interval
from marketdata import fidelity
from marketdata.adjustments import decode, described
from marketdata.collections import SERIES
from marketdata.mongo import database, unavailable
from marketdata.series import identity
from marketdata.series_questions import answered, read_question
from marketdata.sync_docs import problems
from symbols.models import Symbol

DEFAULT_SYMBOLS, MOST_SYMBOLS = 50, 500
_KNOWN = frozenset({"symbols", "symbol", "interval", "limit", "offset", "format"})
_WANTED = {
    **dict.fromkeys(("confirmed", "corrected", "price_sum", "price_most", "volume_sum", "volume_most"), 1),
    **dict.fromkeys(("adjustment", "unconfirmed"), 1),
}


class _Adjustment(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    before = serializers.DateTimeField()
    factor = serializers.FloatField()
    found_at = serializers.DateTimeField()
    is_open = serializers.BooleanField()


class _SeriesFidelity(serializers.Serializer[Any]):
    """`share` of the compared bars that history confirmed unchanged, null if none was compared.

    Differences are relative to the larger value: the largest, and the mean over all compared bars. `unconfirmed_since`:
    no bar that history has not told is older. `adjustments`: splits whose factor older bars carry.
    """

    symbol = serializers.CharField()
    interval = serializers.ChoiceField([interval.value for interval in Interval])
    compared = serializers.IntegerField()
    confirmed = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True)
    price_largest = serializers.FloatField()
    price_mean = serializers.FloatField()
    volume_largest = serializers.FloatField()
    volume_mean = serializers.FloatField()
    unconfirmed_since = serializers.DateTimeField(allow_null=True)
    adjustments = _Adjustment(many=True)


class FidelityPageSerializer(serializers.Serializer[Any]):
    """`count` symbols in all."""

    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    as_of = serializers.DateTimeField()
    results = _SeriesFidelity(many=True)


class FidelityView(APIView):
    """``GET /api/v1/fidelity``."""

    @extend_schema(
        summary="How well streamed bars agreed with history",
        description="Bars that were closed from the live stream and were whole, against the provider's history.",
        parameters=[
            OpenApiParameter("symbols", str, description="with commas between; all that are not retired without"),
            OpenApiParameter("symbol", str, description="alias of `symbols`"),
            OpenApiParameter("interval", str, description="one or several with commas between; all 13 without"),
            OpenApiParameter(
                "limit", int, description=f"symbols a page, 1 to {MOST_SYMBOLS}; {DEFAULT_SYMBOLS} without"
            ),
            OpenApiParameter("offset", int, description="symbols to leave out first"),
        ],
        responses={200: FidelityPageSerializer, **problems(404)},
    )
    def get(self, request: Request) -> HttpResponse:
        question = read_question(request.query_params, timezone.now(), DEFAULT_SYMBOLS, MOST_SYMBOLS, known=_KNOWN)
        page = question.symbols[question.offset : question.offset + question.limit]
        return answered(question.page(request, len(question.symbols), fidelity_values(page, question.intervals)))


def fidelity_values(symbols: Iterable[Symbol], intervals: Sequence[Interval]) -> list[dict[str, Any]]:
    """The fidelity of each series of which anything is stored, in plain values. Raises StoreUnavailable."""
    wanted = {
        identity(symbol.instrument(), interval): (symbol, interval) for symbol in symbols for interval in intervals
    }
    with unavailable():
        found = {
            document["_id"]: document for document in database()[SERIES].find({"_id": {"$in": list(wanted)}}, _WANTED)
        }
    return [_values(*place, found[name]) for name, place in wanted.items() if name in found]


def _values(symbol: Symbol, interval: Interval, document: dict[str, Any]) -> dict[str, Any]:
    known = fidelity.parse(document)
    return {
        "symbol": symbol.code,
        "interval": interval.value,
        "compared": known.compared,
        "confirmed": known.confirmed,
        "share": known.share,
        "price_largest": known.price_largest,
        "price_mean": known.price_mean,
        "volume_largest": known.volume_largest,
        "volume_mean": known.volume_mean,
        "unconfirmed_since": document.get("unconfirmed"),
        "adjustments": described(symbol.code, decode(document.get("adjustment", ()))),
    }

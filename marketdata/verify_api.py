"""The ledger of coverage against the bars themselves, over HTTP: a POST, since it mends what it finds."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from domain.errors import InvalidRequest
from marketdata.ledger import CoverageLedger
from marketdata.mongo import database
from marketdata.sync_docs import problems
from marketdata.sync_orders import chosen_symbols, series_of
from marketdata.sync_serializers import INTERVALS, IntervalField, MomentField, Strict

MOST_SERIES = 100  # the caller waits, some 3 s for each year of minutes
_DESCRIPTION = """Compares the ledger with the stored bars, key by key, and makes it say what is stored: for bars that
somebody deleted or put in by hand, in MongoDB itself. Syncs do it by themselves where the numbers differ.

At most 100 series at once; `manage.py coverage --verify` takes any number."""


class VerifySerializer(Strict):
    symbols = serializers.ListField(
        child=serializers.CharField(max_length=120), min_length=1, max_length=MOST_SERIES, help_text="EXCHANGE:TICKER"
    )
    intervals = serializers.ListField(
        child=IntervalField(max_length=10), required=False, default=list, max_length=26, help_text="all 13 without"
    )
    start = MomentField(required=False, allow_null=True, default=None, help_text="included; without: the first bar")
    end = MomentField(required=False, allow_null=True, default=None, help_text="not included; without: the last bar")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["start"] is not None and attrs["end"] is not None and attrs["start"] > attrs["end"]:
            raise serializers.ValidationError({"start": "start is after end: a range is [start, end)"})
        return attrs


class _VerifiedSeriesSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    interval = serializers.ChoiceField(INTERVALS)
    wrong = serializers.IntegerField(help_text="bars of which the ledger did not know that they are there, or gone")


class VerifiedSerializer(serializers.Serializer[Any]):
    as_of = serializers.DateTimeField()
    wrong = serializers.IntegerField(help_text="of all series together")
    results = _VerifiedSeriesSerializer(many=True)


class VerifyView(APIView):
    """``POST /api/v1/coverage/verify``."""

    scope = "sync"

    @extend_schema(
        summary="Compare the ledger with the stored bars",
        description=_DESCRIPTION,
        request=VerifySerializer,
        responses={200: VerifiedSerializer, **problems(400, 403, 404, 503)},
        examples=[
            OpenApiExample("A series", value={"symbols": ["DEMO:BTCUSD"], "intervals": ["1h"]}, request_only=True)
        ],
    )
    def post(self, request: Request) -> Response:
        body = VerifySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted: dict[str, Any] = body.validated_data
        series = series_of(chosen_symbols(wanted["symbols"], {}), wanted["intervals"])
        if len(series) > MOST_SERIES:
            raise InvalidRequest(f"{len(series):,} series at once; at most {MOST_SERIES}: choose fewer intervals")
        now, ledger = timezone.now(), CoverageLedger(database())
        results = []
        for symbol, interval in series:
            wrong = ledger.verify(symbol.instrument(), interval, wanted["start"], wanted["end"])
            results.append({"symbol": symbol.code, "interval": interval.value, "wrong": wrong})
        return Response({"as_of": now, "wrong": sum(one["wrong"] for one in results), "results": results})

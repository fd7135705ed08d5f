"""The application that ``benchmarks.api`` asks: ours, and beside it three views that are measured with it.

``/bench/bare`` sends the bytes of the file that POCKETQUANT_VAR holds, behind the same middleware and sign-in;
``/bench/plain`` finds the same bars and writes them as they are; ``/bench/serializer`` answers what ``/api/v1/bars``
does, written by serializer classes.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pocketquant.settings")
import django
import orjson
from django.conf import settings

settings.ROOT_URLCONF = "benchmarks.api_servers"
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402 - settings come first
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from domain.interval import Interval  # noqa: E402
from marketdata.api import subject_of  # noqa: E402
from marketdata.collections import BARS  # noqa: E402
from marketdata.columns import columns  # noqa: E402
from marketdata.documents import SIGN, instant, key_range, seconds  # noqa: E402
from marketdata.formats import JSON  # noqa: E402
from marketdata.formats_text import JSON_OPTIONS  # noqa: E402
from marketdata.mongo import database  # noqa: E402
from marketdata.query_parameters import parse_query  # noqa: E402
from marketdata.serializers import BarsMetaSerializer  # noqa: E402
from pocketquant.urls import urlpatterns as ours  # noqa: E402
from symbols.models import Symbol  # noqa: E402

BODY = Path(settings.VAR_DIR) / "body.json"
_bodies: dict[str, bytes] = {}


class _BarSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    open_time = serializers.DateTimeField()
    open = serializers.FloatField()
    high = serializers.FloatField()
    low = serializers.FloatField()
    close = serializers.FloatField()
    volume = serializers.FloatField()


class _BarsSerializer(serializers.Serializer[Any]):
    bars = _BarSerializer(many=True)
    meta = BarsMetaSerializer()
    next = serializers.CharField(allow_null=True)


class SerializerView(APIView):
    """The usual way: the same bars and meta, each through a field of a serializer."""

    def get(self, request: Request) -> Response:
        now = timezone.now()
        query = parse_query(request.query_params, now, JSON)
        subject = subject_of(query, seconds(now))
        page = subject.reading.page()
        found = columns(page.bars, query.columns, subject.reading.instruments, query.interval)
        listed = [column if isinstance(column, list) else column.tolist() for column in found]
        rows = [dict(zip(query.columns, values, strict=True)) for values in zip(*listed, strict=True)]
        for row in rows:
            row["open_time"] = instant(row["open_time"])
        answer = {"bars": rows, "meta": subject.about_page(page), "next": None}
        return Response(_BarsSerializer(answer).data)


def bare(request: HttpRequest) -> HttpResponse:
    """Nothing but the bytes; who asks is known by the session, as everywhere."""
    if "body" not in _bodies:
        _bodies["body"] = BODY.read_bytes()
    return HttpResponse(_bodies["body"], content_type="application/json")


def plain(request: HttpRequest) -> HttpResponse:
    """What a view costs that only finds bars and writes them: no meta, no tag, no cache, no checks."""
    start, end = (seconds(datetime.fromisoformat(request.GET[name])) for name in ("start", "end"))
    symbol = Symbol.objects.with_code(request.GET["symbols"])
    lower, upper = key_range(symbol.pk, Interval.parse(request.GET["interval"]), start, end)
    found = database()[BARS].find({"_id": {"$gte": lower, "$lt": upper}}, sort={"_id": 1}, limit=1_000)
    code = symbol.code
    rows = [
        {
            "symbol": code,
            "open_time": instant(int.from_bytes(bar["_id"][5:], "big") - SIGN),
            "open": bar["o"],
            "high": bar["h"],
            "low": bar["l"],
            "close": bar["c"],
            "volume": bar["v"],
        }
        for bar in found
    ]
    return HttpResponse(orjson.dumps({"bars": rows}, option=JSON_OPTIONS), content_type="application/json")


urlpatterns = [
    path("bench/bare", bare),
    path("bench/plain", plain),
    path("bench/serializer", SerializerView.as_view()),
    *ours,
]
asgi = get_asgi_application()
wsgi = get_wsgi_application()

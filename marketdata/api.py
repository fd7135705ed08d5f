"""Closed bars over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from domain.errors import UnknownSymbol
from marketdata.documents import seconds
from marketdata.mongo import database
from marketdata.query import BarsQuery, parse_query
from marketdata.rendering import render
from marketdata.repository import BarRepository
from marketdata.selectors import describe, find_page
from marketdata.serializers import DESCRIPTION, EXAMPLE, PARAMETERS, PROBLEM, BarsSerializer
from marketdata.series import Series
from symbols.models import Symbol


class BarsView(APIView):
    """``GET /api/v1/bars``."""

    @extend_schema(
        summary="Closed bars",
        description=DESCRIPTION,
        parameters=PARAMETERS,
        responses={200: BarsSerializer, 400: PROBLEM, 403: PROBLEM, 404: PROBLEM, 503: PROBLEM},
        examples=[EXAMPLE],
    )
    def get(self, request: Request) -> HttpResponse:
        now = timezone.now()
        query = parse_query(request.query_params, now)
        symbols = _registered(query.symbols)
        instruments = [symbol.instrument() for symbol in symbols]
        repository = BarRepository(database())
        # Read before the bars: a change in between makes the tag too old, never the data older than its tag.
        series = [repository.series(instrument, query.interval) for instrument in instruments]
        version = _data_version(series)
        tag = _entity_tag(query, version, now)
        if tag in request.headers.get("If-None-Match", "").replace("W/", "").split(", "):
            return _tagged(HttpResponse(status=304), tag)
        page = find_page(query, instruments, repository)
        meta = {
            "interval": query.interval.value,
            **describe(query, page, instruments, now=seconds(now)),
            "includes_forming": False,
            "provider": ",".join(sorted({symbol.provider for symbol in symbols})),
            "data_version": version,
            "updated_at": max((known.updated_at for known in series if known), default=None),
        }
        following = _next_url(request, query, page.after)
        body = render(page.bars, query.symbols, meta, following, shape=query.shape, time=query.time)
        return _tagged(HttpResponse(body, content_type="application/json"), tag)


def _registered(codes: Sequence[str]) -> list[Symbol]:
    """The symbols in the order that was asked for. Raises UnknownSymbol that names all that are not registered."""
    found = {symbol.code: symbol for symbol in Symbol.objects.select_related("exchange").filter(code__in=codes)}
    if unknown := [code for code in codes if code not in found]:
        raise UnknownSymbol(f"not registered: {', '.join(unknown)}; add it with `manage.py symbols add {unknown[0]}`")
    return [found[code] for code in codes]


def _data_version(series: Sequence[Series | None]) -> str:
    """One short word for the state of all series that an answer draws on."""
    states = "|".join(known.data_version if known else "" for known in series)
    return hashlib.blake2s(states.encode(), digest_size=6).hexdigest()


def _entity_tag(query: BarsQuery, version: str, now: datetime) -> str:
    """Names the answer exactly. Every key is on a whole minute, so what was asked in seconds is compared in minutes;
    the minute of the answer counts since what is missing depends on it.
    """
    asked = (
        *(query.symbols, query.interval.value, query.limit, query.order, query.shape, query.time, query.after),
        *(moment and -(-moment // 60) for moment in (query.start, query.end)),
        seconds(now) // 60,
    )
    return f'"{hashlib.blake2s(f"{version} {asked}".encode(), digest_size=12).hexdigest()}"'


def _tagged(response: HttpResponse, tag: str) -> HttpResponse:
    response["ETag"] = tag
    response["Cache-Control"] = "private, no-cache"  # keep it, but ask before using it
    return response


def _next_url(request: Request, query: BarsQuery, after: tuple[int, int] | None) -> str | None:
    if after is None:
        return None
    parameters: dict[str, Any] = {"cursor": query.cursor(after)}
    return request.build_absolute_uri(f"{request.path}?{urlencode(parameters)}")

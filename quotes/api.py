"""Latest quotes over HTTP."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import orjson
from asgiref.sync import async_to_sync
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ValidationError
from rest_framework.views import APIView

from domain.errors import StoreUnavailable, UnknownSymbol
from quotes.cache import LiveCache, Pulse, RedisError, Stored
from quotes.serializers import QuotesSerializer
from quotes.snapshots import compose
from symbols.models import Symbol
from symbols.parameters import unknown_parameters

MOST_SYMBOLS = 100
PROBLEM = OpenApiResponse(OpenApiTypes.OBJECT, description="application/problem+json: what is wrong, where")


class QuoteList(APIView):
    """The latest quote of each symbol and the state of its feed, which says how far to trust it."""

    @extend_schema(
        summary="Latest quotes",
        parameters=[
            OpenApiParameter("symbols", str, required=True, description="EXCHANGE:TICKER, comma-separated; at most 100")
        ],
        responses={200: QuotesSerializer, 400: PROBLEM, 403: PROBLEM, 404: PROBLEM, 503: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        symbols = _symbols(request)
        pulse, stored = async_to_sync(_read)(symbols)
        now = time.time()
        quotes = [_quote(symbol, stored[symbol], pulse, now) for symbol in symbols]
        return Response({"quotes": quotes, "as_of": datetime.fromtimestamp(now, UTC)})


def _symbols(request: Request) -> list[str]:
    """The symbols asked for, each once. Raises ValidationError, UnknownSymbol."""
    problems = unknown_parameters(request.query_params, {"symbols", "format"})
    given = ",".join(request.query_params.getlist("symbols"))
    symbols = list(dict.fromkeys(part.strip() for part in given.split(",") if part.strip()))
    if not 0 < len(symbols) <= MOST_SYMBOLS:
        problems["symbols"] = [f"name 1 to {MOST_SYMBOLS} symbols, EXCHANGE:TICKER, separated by commas"]
    if problems:
        raise ValidationError(problems)
    known = set(Symbol.objects.active().filter(code__in=symbols).values_list("code", flat=True))
    for symbol in symbols:
        if symbol not in known:
            raise UnknownSymbol(f"unknown symbol {symbol[:80]!r}: /api/v1/symbols lists those that are registered")
    return symbols


async def _read(symbols: list[str]) -> tuple[Pulse | None, dict[str, Stored]]:
    cache = LiveCache()  # a client belongs to one event loop, and this one lives for the request
    try:
        return await cache.read(dict.fromkeys(symbols, ()))
    except (RedisError, OSError) as error:
        raise StoreUnavailable(f"live state is not available: {error}") from error
    finally:
        await cache.close()


def _quote(symbol: str, stored: Stored, pulse: Pulse | None, now: float) -> dict[str, Any]:
    snapshot = orjson.loads(compose(symbol, (), stored, pulse, now, resync=False))
    return {name: snapshot[name] for name in ("symbol", "quote", "status")}

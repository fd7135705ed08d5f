"""The registry over HTTP."""

from __future__ import annotations

import time
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response

from symbols.models import Symbol
from symbols.parameters import unknown_parameters
from symbols.serializers import SymbolSerializer

PROBLEM = OpenApiResponse(OpenApiTypes.OBJECT, description="application/problem+json: what is wrong, where")
_FILTERS = ("exchange", "provider", "type", "status")
_KNOWN = frozenset({"q", "page", "page_size", "streaming", "format", *_FILTERS})
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


class SymbolPages(PageNumberPagination):
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1_000


class SymbolViewMixin:
    serializer_class = SymbolSerializer
    queryset = Symbol.objects.select_related("exchange")

    def get_serializer_context(self) -> dict[str, Any]:
        """The moment of the answer, so that every row tells its session at the same time."""
        context: dict[str, Any] = super().get_serializer_context()  # type: ignore[misc]  # generics.GenericAPIView has it
        return context | {"now": int(time.time())}


@extend_schema_view(
    get=extend_schema(
        summary="Registered symbols",
        parameters=[
            OpenApiParameter("q", str, description="part of the code or the name"),
            OpenApiParameter("exchange", str, many=True, description="repeat for several"),
            OpenApiParameter("provider", str, many=True),
            OpenApiParameter("type", str, many=True),
            OpenApiParameter("status", str, many=True),
            OpenApiParameter("streaming", bool),
        ],
        responses={200: SymbolSerializer, 400: PROBLEM, 403: PROBLEM, 404: PROBLEM},
    )
)
class SymbolList(SymbolViewMixin, generics.ListAPIView[Symbol]):
    """Symbols in the order of their codes, a page at a time; filters that are repeated mean "or"."""

    pagination_class = SymbolPages

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        problems = unknown_parameters(request.query_params, _KNOWN)
        if request.query_params.get("streaming", "true") not in _TRUTH:
            problems["streaming"] = ["write true or false"]
        if problems:
            raise serializers.ValidationError(problems)
        return super().list(request, *args, **kwargs)

    def filter_queryset(self, queryset: QuerySet[Symbol]) -> QuerySet[Symbol]:
        parameters = self.request.query_params
        if text := parameters.get("q", "").strip():
            queryset = Symbol.objects.matching(text) & queryset
        for name in _FILTERS:
            if values := parameters.getlist(name):
                queryset = queryset.filter(**{"exchange__code__in" if name == "exchange" else f"{name}__in": values})
        if "streaming" in parameters:
            queryset = queryset.filter(streaming=_TRUTH[parameters["streaming"]])
        return queryset


@extend_schema_view(
    get=extend_schema(summary="One symbol", responses={200: SymbolSerializer, 403: PROBLEM, 404: PROBLEM})
)
class SymbolDetail(SymbolViewMixin, generics.RetrieveAPIView[Symbol]):
    """One symbol by its code, ``EXCHANGE:TICKER``."""

    lookup_field = "code"

    def get_object(self) -> Symbol:
        return Symbol.objects.with_code(self.kwargs["code"])

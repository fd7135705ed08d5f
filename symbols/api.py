"""The registry over HTTP."""

from __future__ import annotations

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
_FILTERS = {
    "exchange": "exchange__code__in",
    "provider": "provider__in",
    "type": "type__in",
    "status": "status__in",
}
_KNOWN = frozenset({"q", "page", "page_size", "streaming", "format", *_FILTERS})
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


class SymbolPages(PageNumberPagination):
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1_000


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
class SymbolList(generics.ListAPIView[Symbol]):
    """Symbols in the order of their codes, a page at a time; filters that are repeated mean "or"."""

    queryset = Symbol.objects.select_related("exchange")
    serializer_class = SymbolSerializer
    pagination_class = SymbolPages

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        problems = unknown_parameters(request.query_params, _KNOWN)
        if request.query_params.get("streaming", "true") not in _TRUTH:
            problems["streaming"] = ["write true or false"]
        if problems:
            raise serializers.ValidationError(problems)
        return super().list(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Symbol]:
        parameters = self.request.query_params
        queryset = Symbol.objects.select_related("exchange").matching(parameters.get("q", "").strip())
        for name, lookup in _FILTERS.items():
            if values := parameters.getlist(name):
                queryset = queryset.filter(**{lookup: values})
        if "streaming" in parameters:
            queryset = queryset.filter(streaming=_TRUTH[parameters["streaming"]])
        return queryset


@extend_schema_view(
    get=extend_schema(summary="One symbol", responses={200: SymbolSerializer, 403: PROBLEM, 404: PROBLEM})
)
class SymbolDetail(generics.RetrieveAPIView[Symbol]):
    """One symbol by its code, ``EXCHANGE:TICKER``."""

    queryset = Symbol.objects.select_related("exchange")
    serializer_class = SymbolSerializer
    lookup_field = "code"

    def get_object(self) -> Symbol:
        return Symbol.objects.with_code(self.kwargs["code"])

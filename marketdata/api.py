"""Closed bars over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketdata.answers import Answer, is_known, tagged
from marketdata.describing import Subject
from marketdata.documents import seconds
from marketdata.forming import NONE, find_forming
from marketdata.ledger import CoverageLedger
from marketdata.mongo import database
from marketdata.negotiation import RENDERERS, BarsNegotiation, format_of
from marketdata.query import BarsQuery
from marketdata.query_parameters import PAGE, parse_query
from marketdata.registered import registered
from marketdata.repository import BarRepository
from marketdata.selectors import Reading
from marketdata.serializers import DESCRIPTION, EXAMPLE, PARAMETERS, RESPONSES
from marketdata.series import Series


class BarsView(APIView):
    """Bars by time, closed ones unless `include_forming` asks for more."""

    renderer_classes = RENDERERS
    content_negotiation_class = BarsNegotiation

    @extend_schema(
        summary="Bars",
        description=DESCRIPTION,
        parameters=PARAMETERS,
        responses=RESPONSES,
        examples=[EXAMPLE],
    )
    def get(self, request: Request) -> HttpResponseBase:
        now = timezone.now()
        found = format_of(request)
        query = parse_query(request.query_params, now, found)
        answer = Answer(request=request, format=found, subject=subject_of(query, seconds(now)))
        if request.accepted_renderer.format == PAGE:
            return Response(answer.body())
        tag = answer.tag()
        if is_known(request, tag):
            return tagged(HttpResponse(status=304), tag)
        return tagged(answer.streamed() if found.is_streamed else answer.whole(tag), tag)


def subject_of(query: BarsQuery, now: int) -> Subject:
    instruments = registered(query.symbols)
    store = database()
    repository = BarRepository(store)
    # Read before the bars: a change in between makes the tag too old, never the data older than its tag. And forming
    # bars before closed ones: what closes in between is then among the closed.
    forming = find_forming(instruments, query.interval, now) if query.include_forming else NONE
    series = [repository.series(instrument, query.interval) for instrument in instruments]
    return Subject(
        reading=Reading(query=query, instruments=instruments, repository=repository, now=now, forming=forming.rows),
        series=series,
        data_version=_data_version(series),
        forming=forming,
        ledger=CoverageLedger(store),
    )


def _data_version(series: Sequence[Series | None]) -> str:
    """One short word for the state of all series that an answer draws on."""
    states = "|".join(known.data_version if known else "" for known in series)
    return hashlib.blake2s(states.encode(), digest_size=6).hexdigest()

"""Syncs over HTTP: order one, see how far it is, pause, resume, cancel, try again."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from domain.errors import InvalidRequest
from domain.interval import Interval
from marketdata import runs, sync_docs
from marketdata.models import SyncItem, SyncRun
from marketdata.processes import own_name
from marketdata.runs_estimate import estimated_seconds
from marketdata.runs_summary import progress_of
from marketdata.sync_chunk import Chunk
from marketdata.sync_orders import chosen_symbols, series_of
from marketdata.sync_plans import plans
from marketdata.sync_rendering import plan_values, run_values
from marketdata.sync_serializers import (
    SyncItemSerializer,
    SyncOrderSerializer,
    SyncPlanSerializer,
    SyncRunDetailSerializer,
    SyncRunPageSerializer,
    SyncRunSerializer,
)
from symbols.models import Symbol
from symbols.parameters import unknown_parameters

MOST_PLANNED = 1_000  # series of a dry run: each is looked up while the caller waits
SMALL_BARS = 5_000
_WAIT_SECONDS = 20.0
_DEFAULT_RUNS, _MOST_RUNS = 50, 500
_DEFAULT_ITEMS, _MOST_ITEMS = 1_000, 10_000
_KEY_HEADER, _MOST_KEY = "Idempotency-Key", 200

Series = list[tuple[Symbol, Interval]]


class SyncView(APIView):
    """``POST /api/v1/sync``."""

    scope = "sync"

    @extend_schema(
        summary="Order a sync",
        description=sync_docs.ORDER,
        request=SyncOrderSerializer,
        parameters=[OpenApiParameter(_KEY_HEADER, str, OpenApiParameter.HEADER, description=sync_docs.KEY)],
        responses={200: SyncPlanSerializer, 202: SyncRunSerializer, **sync_docs.problems(400, 403, 404, 409, 503)},
        examples=sync_docs.EXAMPLES,
    )
    def post(self, request: Request) -> Response:
        body = SyncOrderSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted: dict[str, Any] = body.validated_data
        symbols = chosen_symbols(wanted["symbols"], wanted["filter"])
        series = series_of(symbols, wanted["intervals"])
        if wanted["dry_run"]:
            return Response(_plan(series, wanted))
        order = runs.Order(
            series=series,
            start=wanted["start"],
            end=wanted["end"],
            missing_only=wanted["missing_only"],
            priority=SyncRun.Priority.SOON if len(series) == 1 else SyncRun.Priority.BULK,
            requested_by=request.user,
            idempotency_key=_idempotency_key(request),
            fingerprint=_fingerprint(request.data),
            owner=own_name() if wanted["wait"] else "",
        )
        if wanted["wait"]:
            _check_small(series, wanted)
        run, is_new = runs.start(order)
        if wanted["wait"] and is_new:
            _work_now(run, series[0][0].provider)
        return _answer(request, run, is_new=is_new)


class SyncRunList(APIView):
    """``GET /api/v1/sync/runs``."""

    @extend_schema(
        operation_id="sync_runs_list",
        summary="Sync runs, newest first",
        parameters=sync_docs.LIST_PARAMETERS,
        responses={200: SyncRunPageSerializer, **sync_docs.problems(400, 403)},
    )
    def get(self, request: Request) -> Response:
        limit, after = _page(request, {"state", "kind", "idle"}, default=_DEFAULT_RUNS, most=_MOST_RUNS)
        words = {"state": SyncRun.State.values, "kind": SyncRun.Kind.values, "idle": ["true", "false"]}
        chosen = _choices(request, words)
        idle = set(chosen.pop("idle__in", ()))
        found = SyncRun.objects.select_related("requested_by").filter(**chosen)
        if len(idle) == 1:
            found = found.idle() if idle == {"true"} else found.not_idle()
        if after is not None:
            found = found.filter(pk__lt=after)
        page = list(found[: limit + 1])
        progress = progress_of(run.pk for run in page[:limit])
        return Response(
            {
                "runs": [run_values(run, progress[run.pk], _url(request, run)) for run in page[:limit]],
                "next": _next(request, page[limit - 1].pk) if len(page) > limit else None,
            }
        )


class SyncRunDetail(APIView):
    """``GET /api/v1/sync/runs/{id}``."""

    @extend_schema(
        operation_id="sync_run",
        summary="One run and its series",
        parameters=sync_docs.ITEM_PARAMETERS,
        responses={200: SyncRunDetailSerializer, **sync_docs.problems(400, 403, 404)},
    )
    def get(self, request: Request, run_id: int) -> Response:
        run = get_object_or_404(SyncRun.objects.select_related("requested_by"), pk=run_id)
        limit, after = _page(request, {"state"}, default=_DEFAULT_ITEMS, most=_MOST_ITEMS)
        items = SyncItem.objects.filter(run=run, **_choices(request, {"state": SyncItem.State.values}))
        items = items.select_related("symbol").order_by("id")
        if after is not None:
            items = items.filter(pk__gt=after)
        page = list(items[: limit + 1])
        values = run_values(run, progress_of([run.pk])[run.pk], _url(request, run))
        values["items"] = SyncItemSerializer(page[:limit], many=True).data
        values["next"] = _next(request, page[limit - 1].pk) if len(page) > limit else None
        return Response(values)


class SyncRunAction(APIView):
    """``POST /api/v1/sync/runs/{id}/pause`` and the like."""

    scope = "sync"

    _ACTIONS = {"pause": runs.pause, "resume": runs.resume, "cancel": runs.cancel, "retry": runs.retry_failed}  # noqa: RUF012  # a table

    @extend_schema(
        summary="Pause, resume or cancel a run, or try what failed again",
        description=sync_docs.ACTIONS,
        request=None,
        parameters=[OpenApiParameter("action", str, OpenApiParameter.PATH, enum=list(_ACTIONS))],
        responses={200: SyncRunSerializer, **sync_docs.problems(403, 404, 409)},
    )
    def post(self, request: Request, run_id: int, action: str) -> Response:
        run = get_object_or_404(SyncRun, pk=run_id)
        run = self._ACTIONS[action](run)
        return Response(run_values(run, progress_of([run.pk])[run.pk], _url(request, run)))


def _plan(series: Series, wanted: dict[str, Any]) -> dict[str, Any]:
    if len(series) > MOST_PLANNED:
        raise InvalidRequest(f"a dry run of {len(series):,} series; at most {MOST_PLANNED:,}: choose fewer")
    found = list(plans(series, wanted["start"], wanted["end"], missing_only=wanted["missing_only"]))
    asked = [plan for plan in found if plan.requests]
    return {
        "series": [plan_values(plan) for plan in asked],
        "series_up_to_date": len(found) - len(asked),
        "bars": sum(plan.bars for plan in asked),
        "pages": sum(plan.pages for plan in asked),
        "seconds": estimated_seconds(asked),
    }


def _check_small(series: Series, wanted: dict[str, Any]) -> None:
    if len(series) != 1:
        raise InvalidRequest(f"wait: for one series at a time, not {len(series):,}; without it the answer is a run")
    [plan] = plans(series, wanted["start"], wanted["end"], missing_only=wanted["missing_only"])
    if plan.bars > SMALL_BARS + 1:
        raise InvalidRequest(f"wait: {plan.bars:,} bars are to be asked for; at most {SMALL_BARS:,}")


def _work_now(run: SyncRun, provider: str) -> None:
    """In this request's thread. What is not done by then goes to the workers."""
    try:
        Chunk(provider, run.owner, run_id=run.pk, seconds=_WAIT_SECONDS).run()
    finally:
        runs.hand_over(run)


def _answer(request: Request, run: SyncRun, *, is_new: bool) -> Response:
    url = _url(request, run)
    headers = {"Location": url} | ({} if is_new else {"Idempotent-Replay": "true"})
    code = status.HTTP_200_OK if run.is_finished else status.HTTP_202_ACCEPTED
    return Response(run_values(run, progress_of([run.pk])[run.pk], url), status=code, headers=headers)


def _url(request: Request, run: SyncRun) -> str:
    return reverse("sync-run", args=[run.pk], request=request)


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get(_KEY_HEADER)
    if key is None:
        return None
    if not 0 < len(key) <= _MOST_KEY or not key.isprintable():
        raise InvalidRequest(f"{_KEY_HEADER}: 1 to {_MOST_KEY} printable characters")
    return key


def _fingerprint(body: Any) -> str:
    """Of what was asked; relative times as they were written, so that the same request later is the same."""
    canonical = orjson.dumps(dict(body), option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.blake2s(canonical).hexdigest()


def _page(request: Request, known: set[str], *, default: int, most: int) -> tuple[int, int | None]:
    """Limit and cursor. Raises ValidationError that names all that is wrong."""
    parameters = request.query_params
    problems = unknown_parameters(parameters, [*known, "limit", "cursor", "format"])
    numbers: dict[str, int | None] = {"limit": default, "cursor": None}
    for name, highest in (("limit", most), ("cursor", 2**63 - 1)):
        if name in parameters:
            text = parameters[name]
            is_number = text.isascii() and text.isdigit() and len(text) < 20
            if not is_number or not 1 <= int(text) <= highest:
                problems[name] = [f"write a whole number from 1 to {highest}" if name == "limit" else "not a cursor"]
            else:
                numbers[name] = int(text)
    if problems:
        raise serializers.ValidationError(problems)
    return numbers["limit"] or default, numbers["cursor"]


def _choices(request: Request, known: dict[str, list[str]]) -> dict[str, list[str]]:
    """Filters by words that we know; repeated means "or"."""
    found, problems = {}, {}
    for name, words in known.items():
        if values := request.query_params.getlist(name):
            if wrong := [value for value in values if value not in words]:
                problems[name] = [f"{wrong[0][:40]!r} is none of {', '.join(words)}"]
            found[f"{name}__in"] = values
    if problems:
        raise serializers.ValidationError(problems)
    return found


def _next(request: Request, last: int) -> str:
    parameters = request.query_params.copy()
    parameters["cursor"] = str(last)
    return request.build_absolute_uri(f"{request.path}?{parameters.urlencode()}")

"""Sync pages: what runs and has run, by which schedules; one run with its series, and what can be done to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_q.models import Schedule

from domain.errors import Conflict, InvalidRequest, StoreUnavailable, UnknownSymbol
from marketdata import runs
from marketdata.models import SyncItem, SyncRun
from marketdata.runs_estimate import estimated_seconds
from marketdata.runs_summary import Progress, progress_of
from marketdata.sync_orders import chosen_symbols, series_of
from marketdata.sync_plans import plans
from marketdata.sync_rendering import run_values
from web.intervals import interval_choices

_RUNS_SHOWN = 30
_SERIES_SHOWN = 200
_MOST_PLANNED = 200  # series that are looked up while somebody waits
_ACTIONS: dict[str, Callable[[SyncRun], SyncRun]] = {
    "pause": runs.pause,
    "resume": runs.resume,
    "cancel": runs.cancel,
    "retry": runs.retry_failed,
}
# What needs somebody's eye first.
_ORDER = {state: place for place, state in enumerate(("error", "syncing", "partial", "pending"))}


@never_cache
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    return render(request, "web/sync.html", _overview())


def _overview() -> dict[str, Any]:
    found = list(SyncRun.objects.exclude(kind=SyncRun.Kind.RECONCILE).select_related("requested_by")[:_RUNS_SHOWN])
    progress = progress_of([run.pk for run in found])
    return {
        "place": "sync",
        "runs": [_values(run, progress[run.pk]) for run in found],
        "schedules": Schedule.objects.filter(func__startswith="marketdata.").order_by("next_run"),
        "intervals": interval_choices(),
    }


def _values(run: SyncRun, progress: Progress) -> dict[str, Any]:
    """A run as its row and its page show it; shares are in percent of its series."""
    total = progress.total or 1
    states = progress.items
    failed = states.get(SyncItem.State.ERROR, 0)
    done = 100 * (states.get(SyncItem.State.COMPLETED, 0) + states.get(SyncItem.State.PARTIAL, 0)) / total
    same = 100 * states.get(SyncItem.State.UP_TO_DATE, 0) / total
    return run_values(run, progress, "") | {
        "run": run,
        "failed": failed,
        "done_share": done,
        "same_share": same,
        "failed_from": done + same,
        "failed_share": 100 * failed / total,
        "is_finished": run.is_finished,
    }


@never_cache
@require_safe
def run_page(request: HttpRequest, run_id: int) -> HttpResponse:
    run = get_object_or_404(SyncRun.objects.select_related("requested_by"), pk=run_id)
    items = list(run.items.select_related("symbol")[: _SERIES_SHOWN * 50])
    items.sort(key=lambda item: _ORDER.get(item.state, len(_ORDER)))
    context = {
        "place": "sync",
        "values": _values(run, progress_of([run.pk])[run.pk]),
        "items": items[:_SERIES_SHOWN],
        "omitted": max(0, len(items) - _SERIES_SHOWN),
    }
    return render(request, "web/sync_run.html", context)


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """A new sync: first what it would ask for, then, once that was seen, the sync itself."""
    text, wanted = request.POST.get("symbols", ""), request.POST.getlist("interval")
    try:
        symbols = chosen_symbols(text.replace(",", " ").split(), {})
        series = series_of(symbols, wanted)
        if "start" in request.POST:
            order = runs.Order(
                series=series,
                priority=SyncRun.Priority.SOON,
                requested_by=request.user,
                positions=range(-len(series), 0),  # before first syncs that nobody waits for
            )
            return redirect("sync-page", runs.start(order)[0].pk)
        found = [plan for plan in plans(series[:_MOST_PLANNED], None, None, missing_only=True) if plan.requests]
        plan: dict[str, Any] = {
            "series": len(series),
            "wanted": len(found),
            "bars": sum(each.bars for each in found),
            "pages": sum(each.pages for each in found),
            "seconds": estimated_seconds(found),
            "is_part": len(series) > _MOST_PLANNED,
        }
        problem, status = "", 200
    except (InvalidRequest, UnknownSymbol) as error:
        plan, problem, status = {}, str(error), 400
    except StoreUnavailable as error:
        plan, problem, status = {}, f"{error}. Nothing was started; try again in a moment.", 503
    context = _overview() | {"asked": {"symbols": text, "interval": wanted}, "plan": plan, "problem": problem}
    return render(request, "web/sync.html", context, status=status)


@require_POST
def act(request: HttpRequest, run_id: int, action: str) -> HttpResponse:
    """Pause, resume, cancel, or try what failed again; what comes too late changes nothing."""
    run = get_object_or_404(SyncRun, pk=run_id)
    try:
        run = _ACTIONS[action](run)
    except Conflict as error:
        return render(request, "400.html", {"reason": str(error)}, status=409)
    return redirect("sync-page", run.pk)

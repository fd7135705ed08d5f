"""Sync pages: what runs and has run, by which schedules; one run with its series, and what can be done to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Exists, F, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_q.models import Schedule

from domain.errors import Conflict, InvalidRequest, StoreUnavailable, UnknownSymbol
from marketdata import runs
from marketdata.models import SyncItem, SyncRun
from marketdata.runs_estimate import estimated_seconds
from marketdata.runs_summary import Progress, progress_of
from marketdata.schedules import RECONCILE, about, calendars_in_use
from marketdata.sync_orders import chosen_symbols, series_of
from marketdata.sync_plans import plans
from web.intervals import interval_choices
from web.problems import problem_page
from web.runs import BY_URGENCY, STATE_WORDS, paused_now, run_row, run_title, state_filters, trouble_of
from web.schedule_words import schedule_words

_RUNS_SHOWN = 15
_CARDS_SHOWN = 3
_SERIES_SHOWN = 200
_MOST_PLANNED = 200  # series that are looked up while somebody waits
_ACTIONS: dict[str, Callable[[SyncRun], SyncRun]] = {
    "pause": runs.pause,
    "resume": runs.resume,
    "cancel": runs.cancel,
    "retry": runs.retry_failed,
}


@never_cache
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    return render(request, "web/sync.html", _overview(request.GET.get("page"), shows_idle="idle" in request.GET))


def _overview(number: str | None = None, *, shows_idle: bool = False) -> dict[str, Any]:
    # Reconciling has a run each minute, which tells nobody anything.
    known = SyncRun.objects.exclude(kind=SyncRun.Kind.RECONCILE).select_related("requested_by")
    page = Paginator(known if shows_idle else known.not_idle(), _RUNS_SHOWN).get_page(number)
    unfinished = known.unfinished()
    # What moves before what only waits to be tried again.
    moving = SyncItem.objects.filter(run=OuterRef("pk"), state=SyncItem.State.SYNCING)
    in_order = unfinished.order_by(Exists(moving).desc(), F("started_at").asc(nulls_last=True), "id")
    cards = list(in_order[:_CARDS_SHOWN])
    schedules = list(Schedule.objects.filter(func__startswith="marketdata.").order_by("next_run"))
    last = {schedule.pk: _last_run(schedule) for schedule in schedules}
    progress = progress_of({run.pk for run in [*page.object_list, *cards, *last.values()] if run})
    calendars = calendars_in_use()
    return {
        "place": "sync",
        "now": timezone.now(),
        "page": page,
        "idle": known.idle().count(),
        "shows_idle": shows_idle,
        "runs": [run_row(run, progress[run.pk]) for run in page.object_list],
        "cards": [
            run_row(run, progress[run.pk]) | {"title": run_title(run), "trouble": trouble_of(run)} for run in cards
        ],
        "pauses": paused_now(),
        "unfinished": unfinished.count(),
        "next_sync": next((row.next_run for row in schedules if row.func != RECONCILE), None),
        "schedules": [
            (row, schedule_words(row, calendars), (run := last[row.pk]) and run_row(run, progress[run.pk]))
            for row in schedules
        ],
        "intervals": interval_choices(),
    }


def _card(run: SyncRun, progress: Progress) -> dict[str, Any]:
    return run_row(run, progress) | {"title": run_title(run), "trouble": trouble_of(run)}


def _last_run(schedule: Schedule) -> SyncRun | None:
    what = about(schedule)
    runs_of_it = SyncRun.objects.filter(kind=SyncRun.Kind.SCHEDULE, fingerprint=what).select_related("requested_by")
    return runs_of_it.first() if what else None


@never_cache
@require_safe
def run_page(request: HttpRequest, run_id: int) -> HttpResponse:
    run = get_object_or_404(SyncRun.objects.select_related("requested_by"), pk=run_id)
    state = request.GET.get("state", "")
    if state and state not in STATE_WORDS:
        return problem_page(request, 400, f"state: one of {', '.join(STATE_WORDS)}; not {state[:40]!r}")
    items = run.items.select_related("symbol").order_by(*BY_URGENCY)
    page = Paginator(items.filter(state=state) if state else items, _SERIES_SHOWN).get_page(request.GET.get("page"))
    progress = progress_of([run.pk])[run.pk]
    context = {
        "place": "sync",
        "row": _card(run, progress),
        "state": state,
        "filters": state_filters(progress, state),
        "page": page,
        "items": [(item, STATE_WORDS[SyncItem.State(item.state)]) for item in page.object_list],
    }
    return render(request, "web/sync_run.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def start(request: HttpRequest) -> HttpResponse:
    """A new sync: first what it would ask for, then, once that was seen, the sync itself."""
    if request.method != "POST":  # a plan's address, opened anew
        return redirect("sync-overview")
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
        return problem_page(request, 409, str(error), back=reverse("sync-page", args=[run.pk]))
    return redirect("sync-page", run.pk)

"""The gaps of all series, what is lost first on top, and a button that has all of them fetched that can be had."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from domain.coverage import Reason
from domain.errors import StoreUnavailable
from domain.interval import Interval
from marketdata import runs
from marketdata.coverage import Gap, gaps
from marketdata.documents import instant
from marketdata.models import SyncRun
from symbols.models import Symbol
from web.problems import problem_page

_GAPS_SHOWN = 100


@never_cache
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    context: dict[str, Any] = {"place": "coverage"}
    try:
        found = _found()
    except StoreUnavailable as error:
        return render(request, "web/gaps.html", context | {"away": str(error)})
    page = Paginator(found, _GAPS_SHOWN).get_page(request.GET.get("page"))
    context |= {
        "page": page,
        "rows": [_row(gap) for gap in page.object_list],
        "bars": sum(gap.hole.bars for gap in found),
        "series": len({(gap.symbol.pk, gap.interval) for gap in found}),
        "lost": sum(not _can_be_had(gap) for gap in found),
        "first": next((gap.hole.recoverable_until for gap in found if gap.hole.recoverable_until), None),
        "can_fill": any(map(_can_be_had, found)),
    }
    return render(request, "web/gaps.html", context)


@require_POST
def fill(request: HttpRequest) -> HttpResponse:
    """One run over every series with a gap that can be had."""
    try:
        found = _found()
    except StoreUnavailable as error:
        return problem_page(request, 503, f"{error}. Nothing was started.")
    series = list(dict.fromkeys((gap.symbol, gap.interval) for gap in found if _can_be_had(gap)))
    if not series:
        return redirect("gaps-page")
    order = runs.Order(series=series, priority=SyncRun.Priority.SOON, requested_by=request.user)
    return redirect("sync-page", runs.start(order)[0].pk)


def _found() -> list[Gap]:
    return gaps(Symbol.objects.active(), Interval, now=timezone.now())


def _can_be_had(gap: Gap) -> bool:
    return gap.hole.reason is not Reason.BEYOND_WINDOW


def _row(gap: Gap) -> dict[str, Any]:
    hole = gap.hole
    return {
        "symbol": gap.symbol.code,
        "interval": gap.interval.value,
        "start": instant(hole.start),
        "end": instant(hole.end - 1),
        "hole": hole,
        "can_fill": _can_be_had(gap),
    }

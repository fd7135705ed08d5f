"""Coverage pages: a matrix of symbols and intervals; one series with its days, its holes and how true our bars were."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from domain.errors import StoreUnavailable, UnsupportedInterval
from domain.interval import Interval
from marketdata import runs
from marketdata.coverage import SeriesCoverage, covered, strip
from marketdata.documents import instant
from marketdata.fidelity_api import fidelity_values
from marketdata.ledger import DayCoverage
from marketdata.models import SyncRun
from symbols.models import Symbol
from web.intervals import interval_choice, interval_choices
from web.problems import problem_page, unknown_symbol
from web.templatetags.figures import NO_BREAK_SPACE, share

SYMBOLS_A_PAGE = 50
_DAYS_SHOWN = 120
_SHADES = ((1.0, "h4"), (0.95, "h3"), (0.5, "h2"), (0.0, "h1"))


class Cell(NamedTuple):
    """One series in the matrix. ``shade``: of how much is there; ``is_gap``: something is missing."""

    interval: Interval
    text: str
    shade: str
    is_gap: bool
    title: str


class Strip(NamedTuple):
    """One day of a series."""

    date: str
    shade: str
    is_gap: bool
    title: str


@never_cache
@require_safe
def matrix(request: HttpRequest) -> HttpResponse:
    page = Paginator(Symbol.objects.active(), SYMBOLS_A_PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {"place": "coverage", "intervals": interval_choices(), "page": page, "rows": []}
    try:
        found = covered(page.object_list, Interval, now=timezone.now())
        rows: dict[int, tuple[Symbol, list[Cell]]] = {}
        for each in found:
            rows.setdefault(each.symbol.pk, (each.symbol, []))[1].append(_cell(each))
        context["rows"] = list(rows.values())
        context["missing"] = any(cell.is_gap for _, cells in context["rows"] for cell in cells)
    except StoreUnavailable as error:
        context["away"] = str(error)
    return render(request, "web/coverage.html", context)


def _cell(found: SeriesCoverage) -> Cell:
    coverage = found.coverage
    if found.series is None:
        return Cell(found.interval, "–", "never", False, "never asked for")
    if coverage.share is None:
        return Cell(found.interval, "·", "none", False, "nothing is expected yet")
    title = f"{coverage.stored:,} of {coverage.expected - coverage.empty:,} bars"
    title += f", {coverage.missing:,} missing" if coverage.missing else ""
    text = share(coverage.share).partition(NO_BREAK_SPACE)[0]
    return Cell(found.interval, text, _shade(coverage.share), coverage.missing > 0, title)


def _shade(part: float) -> str:
    return next(name for least, name in _SHADES if part >= least)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def series(request: HttpRequest, code: str) -> HttpResponse:
    """One series. By POST the ledger is compared with the stored bars first, which mends it."""
    symbol = Symbol.objects.select_related("exchange").filter(code=code).first()
    if symbol is None:
        return unknown_symbol(request, code)
    try:
        interval = Interval.parse(request.GET.get("interval", Interval.M1))
    except UnsupportedInterval as error:
        return problem_page(request, 400, str(error))
    context: dict[str, Any] = {
        "place": "coverage",
        "symbol": symbol,
        "interval": interval_choice(interval),
        "intervals": interval_choices(),
    }
    try:
        context |= _details(symbol, interval, verifies=request.method == "POST")
    except StoreUnavailable as error:
        context["away"] = str(error)
    return render(request, "web/coverage_series.html", context)


def _details(symbol: Symbol, interval: Interval, *, verifies: bool) -> dict[str, Any]:
    now = timezone.now()
    [found] = covered([symbol], [interval], now=now, lists_holes=True, verifies=verifies)
    _, days = strip(found, _DAYS_SHOWN, now=now)
    return {
        "found": found,
        "cell": _cell(found),
        "holes": [(instant(hole.start), instant(hole.end - 1), hole) for hole in found.coverage.holes],
        "can_fill": any(hole.recoverable_until or not hole.detail for hole in found.coverage.holes) or not found.series,
        "strip": (shown := [_strip(day) for day in days]),
        "strip_ends": (shown[0].date, shown[-1].date) if shown else None,
        "fidelity": next(iter(fidelity_values([symbol], [interval])), None),
        "verified": verifies,
    }


def _strip(day: DayCoverage) -> Strip:
    wanted = day.expected - day.empty
    part = 1.0 if wanted == 0 else day.stored / wanted
    date = f"{instant(day.day):%Y-%m-%d}"
    return Strip(date, _shade(part), part < 1, f"{date}: {day.stored:,} of {wanted:,} bars")


@require_POST
def fill(request: HttpRequest, code: str) -> HttpResponse:
    """Have what is missing of a series fetched; shows the run, or tells a script that asks for JSON where it is."""
    symbol = get_object_or_404(Symbol.objects.active(), code=code)
    try:
        interval = Interval.parse(request.POST.get("interval", ""))
    except UnsupportedInterval as error:
        return problem_page(request, 400, str(error))
    order = runs.Order(
        series=[(symbol, interval)],
        priority=SyncRun.Priority.SOON,
        requested_by=request.user,
        positions=[-1],  # somebody looks at it: before the first syncs of symbols that were just added
    )
    run, _ = runs.start(order)
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        addresses = {"url": reverse("sync-run", args=[run.pk]), "page": reverse("sync-page", args=[run.pk])}
        return JsonResponse(addresses, status=202)
    return redirect("sync-page", run.pk)

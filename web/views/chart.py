"""The chart page: one symbol at one interval, with the watchlist and what is stored."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from domain.calendars import get_calendar
from domain.errors import StoreUnavailable, UnknownCalendar, UnsupportedInterval
from domain.interval import Interval
from marketdata.mongo import database
from marketdata.repository import BarRepository
from marketdata.series import Series
from symbols.models import Symbol
from web.intervals import interval_choice, interval_choices
from web.problems import problem_page, unknown_symbol
from web.watchlist import SHOWN, watch_rows

LAST_SYMBOL = "last_symbol"  # session key: the chart opens where it was left
FIRST_SYMBOL = "DEMO:BTCUSD"  # trades around the clock, so a first visit always sees it move
_SKELETON = range(40)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The symbol looked at last, else one that moves; a page that tells how to add one if there is none."""
    known = dict.fromkeys(Symbol.objects.active().order_by("-streaming", "code").values_list("code", flat=True))
    for code in (request.session.get(LAST_SYMBOL), FIRST_SYMBOL, *known):
        if code in known:
            return redirect("chart", code)
    return render(request, "web/chart_empty.html", {"place": "chart-empty"})


@never_cache
@require_safe
def chart(request: HttpRequest, code: str) -> HttpResponse:
    symbol = _find(code)
    if symbol is None:
        return unknown_symbol(request, code)
    if symbol.code != code:
        query = request.GET.urlencode()
        return redirect(f"/chart/{symbol.code}{'?' if query else ''}{query}")
    try:
        interval = Interval.parse(request.GET.get("interval", Interval.M1))
    except UnsupportedInterval as error:
        return problem_page(request, 400, str(error))
    request.session[LAST_SYMBOL] = symbol.code
    return render(request, "web/chart.html", _page(symbol, interval))


@never_cache
@require_safe
def series(request: HttpRequest, code: str) -> HttpResponse:
    """The data panel's first section, fetched again when the interval changes or bars have been synced."""
    symbol = _find(code)
    if symbol is None:
        return HttpResponse(status=404)
    try:
        interval = Interval.parse(request.GET.get("interval", Interval.M1))
    except UnsupportedInterval as error:
        return HttpResponse(str(error), status=400, content_type="text/plain; charset=utf-8")
    return render(request, "web/_series.html", {"symbol": symbol, **_stored(symbol, interval)})


def _find(code: str) -> Symbol | None:
    """The symbol of this name; capitals may be left out."""
    active = Symbol.objects.active()
    return active.filter(code=code).first() or active.filter(code__iexact=code).first()


def _page(symbol: Symbol, interval: Interval) -> dict[str, Any]:  # a template's context holds anything
    watched = list(Symbol.objects.active()[: SHOWN + 1])
    more = Symbol.objects.active().count() - SHOWN if len(watched) > SHOWN else 0
    watched = watched[:SHOWN]
    if symbol not in watched:
        watched.insert(0, symbol)
    return {
        "place": "chart",
        "symbol": symbol,
        "market_zone": _market_zone(symbol),
        "about": " · ".join(filter(None, (symbol.name, symbol.quote_currency, symbol.type.capitalize()))),
        "intervals": interval_choices(),
        "watchlist": watch_rows(watched, BarRepository(database())),
        "more_symbols": more,
        "skeleton": _SKELETON,
        **_stored(symbol, interval),
    }


def _market_zone(symbol: Symbol) -> str:
    """Where the market's clock hangs: its calendar's zone. A venue may list symbols of many markets."""
    try:
        calendar = get_calendar(symbol.instrument().calendar)
    except UnknownCalendar:
        return symbol.exchange.timezone
    return symbol.exchange.timezone if calendar.timezone == "UTC" else calendar.timezone


def _stored(symbol: Symbol, interval: Interval) -> dict[str, Any]:
    found: Series | None = None
    away = False
    try:
        found = BarRepository(database()).series(symbol.instrument(), interval)
    except StoreUnavailable:
        away = True
    return {
        "count": found.count if found else 0,
        "first": found.first if found else None,
        "last": found.last if found else None,
        "changed": found.updated_at if found else None,
        "store_away": away,
        "interval": interval_choice(interval),
        "now": timezone.now(),
    }

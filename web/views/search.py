"""The search box of every page: registered symbols as one types."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from web.names import matching_symbols

SHOWN = 12


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Options for the combobox, as HTML."""
    query = request.GET.get("q", "").strip()[:80]
    return render(request, "_search_results.html", {"query": query, "symbols": matching_symbols(query, SHOWN)})

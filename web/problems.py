"""One page for each way in which a request can fail: what happened, what is safe, and a way on."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from domain.instrument import is_symbol
from web.names import near_symbols

# (title, heading, what to say where nobody said more)
_WORDS = {
    400: (_("Not understood"), _("This address cannot be understood"), _("A part of it is wrong.")),
    404: (_("Not found"), _("There is no page at this address"), ""),
    405: (
        _("Not this way"),
        _("This address cannot be opened like this"),
        _("It takes what a form on another page sends. Nothing was changed."),
    ),
    409: (_("Too late"), _("This cannot be done any more"), _("Things have moved on meanwhile. Nothing was changed.")),
    415: (_("Not readable"), _("What was sent is of a kind that is not read here"), _("Nothing was changed.")),
    429: (_("Too many requests"), _("That was asked for too often"), _("Nothing was changed; wait a moment.")),
    502: (_("Provider failed"), _("The provider answered with an error"), _("Stored bars are safe.")),
    503: (
        _("Not available now"),
        _("A part of PocketQuant does not answer"),
        _("Stored bars are safe; try again in a moment."),
    ),
}
_UNKNOWN = (_("Failed"), _("This request failed"), _("Stored bars are safe."))


def problem_page(request: HttpRequest, status: int, reason: str = "", *, back: str = "") -> HttpResponse:
    """``reason`` in words for people; ``back``: the address of the page to go on from, where there is one."""
    title, heading, default = _WORDS.get(status, _UNKNOWN)
    if status == 400 and request.method == "POST":
        heading = _("What was sent cannot be understood")
    context = {
        "title": title,
        "heading": heading,
        "reason": reason or default,
        "back": back,
        "can_repeat": status in (429, 502, 503) and request.method in ("GET", "HEAD"),
    }
    return render(request, "problem.html", context, status=status)


def unknown_symbol(request: HttpRequest, code: str) -> HttpResponse:
    """A 404 that names what looks like it, and how to add it."""
    context = {"code": code[:80], "near": near_symbols(code.upper()), "addable": is_symbol(code)}
    return render(request, "web/chart_unknown.html", context, status=404)

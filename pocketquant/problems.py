"""The page that the ``type`` of an error leads to: each kind, its status, what it means."""

from __future__ import annotations

import inspect
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from domain.errors import PocketQuantError
from pocketquant.exception_handler import TITLES, kind_of, status_of

_MEANINGS = {
    400: "A parameter is wrong; the detail names it and says how to write it.",
    401: "Nobody is signed in, or the session has ended.",
    403: "Whoever is signed in lacks the right, or the form's token is missing.",
    404: "There is nothing at this address.",
    405: "The address exists and does not take this method.",
    406: "None of the formats in Accept can be given.",
    409: "What is asked does not fit the state of things.",
    415: "The body is of a type that is not read here.",
    429: "Too much was asked; Retry-After says when to come back.",
    500: "A fault of ours; the log has it under the request id.",
    502: "The provider answered with an error.",
    503: "Something that is needed is away; the same request may work soon.",
}


class Kind(NamedTuple):
    name: str
    status: int
    title: str
    meaning: str


def kinds() -> list[Kind]:
    """Plain statuses first, then every error of ours in the words of its own docstring."""
    plain = [
        Kind(title.lower().replace(" ", "-"), status, title, _MEANINGS[status]) for status, title in TITLES.items()
    ]
    ours = [
        Kind(kind_of(error), status_of(error), TITLES[status_of(error)], (inspect.getdoc(error) or "").split("\n\n")[0])
        for error in _tree(PocketQuantError)
        if error is not PocketQuantError
    ]
    named = {kind.name for kind in ours}
    return [kind for kind in plain if kind.name not in named] + sorted(ours)


def _tree(error: type[PocketQuantError]) -> list[type[PocketQuantError]]:
    return [error, *(each for child in error.__subclasses__() for each in _tree(child))]


def page(request: HttpRequest) -> HttpResponse:
    return render(request, "pocketquant/problems.html", {"kinds": kinds()})

"""The page that the ``type`` of an error leads to: each kind, its status, what it means."""

from __future__ import annotations

import inspect
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from domain.errors import PocketQuantError
from pocketquant.exception_handler import TITLES, kind_of, status_of


class Kind(NamedTuple):
    name: str
    status: int
    title: str
    meaning: str


def kinds() -> list[Kind]:
    """Plain statuses first, then every error of ours in the words of its own docstring."""
    plain = [Kind(title.lower().replace(" ", "-"), status, title, "") for status, title in TITLES.items()]
    ours = [
        Kind(kind_of(error), status_of(error), TITLES[status_of(error)], (inspect.getdoc(error) or "").split("\n\n")[0])
        for error in _tree(PocketQuantError)
        if error is not PocketQuantError
    ]
    return plain + sorted(ours)


def _tree(error: type[PocketQuantError]) -> list[type[PocketQuantError]]:
    return [error, *(each for child in error.__subclasses__() for each in _tree(child))]


def page(request: HttpRequest) -> HttpResponse:
    return render(request, "pocketquant/problems.html", {"kinds": kinds()})

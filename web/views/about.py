"""What this is made of, and whose data it shows."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@login_not_required  # it says nothing about this installation
@require_safe
def about(request: HttpRequest) -> HttpResponse:
    return render(request, "web/about.html", {"place": "about"})

"""The page on which people make tokens for their programs and take them back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import ApiToken, User
from accounts.tokens import make_token, revoke_token
from domain.errors import InvalidRequest

LIFETIMES = {"30": 30, "90": 90, "365": 365, "": None}  # days


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """Those of whoever asks; a POST makes one more, whose text this answer alone holds."""
    context: dict[str, Any] = {"place": "tokens", "name": "", "scope": ApiToken.Scope.READ, "days": "90"}
    if request.method == "POST":
        context |= _made(request)
    now = timezone.now()
    context |= {
        "tokens": ApiToken.objects.filter(user=_person(request), revoked_at=None),
        "scopes": ApiToken.Scope,
        "lifetimes": LIFETIMES,
        "now": now,
    }
    return render(request, "accounts/tokens.html", context, status=400 if "problem" in context else 200)


def _made(request: HttpRequest) -> dict[str, Any]:
    """The token and its text; or what was given, and what is wrong with it."""
    given = {name: request.POST.get(name, "") for name in ("name", "scope", "days")}
    if given["scope"] not in ApiToken.Scope.values or given["days"] not in LIFETIMES:
        return {"problem": "Choose what the token may do and how long it lives."}
    days = LIFETIMES[given["days"]]
    try:
        token, text = make_token(
            user=_person(request),
            name=given["name"],
            scope=ApiToken.Scope(given["scope"]),
            now=timezone.now(),
            lifetime=None if days is None else timedelta(days=days),
        )
    except InvalidRequest as error:
        return {**given, "problem": str(error)}
    return {"made": token, "text": text}


@require_POST
def revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """One's own; of others nobody is told that there are any."""
    revoke_token(token=get_object_or_404(ApiToken, pk=token_id, user=_person(request)), now=timezone.now())
    return redirect("tokens")


def _person(request: HttpRequest) -> User:
    return cast(User, request.user)  # nobody else gets here

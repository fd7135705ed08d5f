"""Pages for coming in and going out."""

from __future__ import annotations

from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import services

_TARGET_COOKIE = "after_sign_in"


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD"])
def signin(request: HttpRequest) -> HttpResponse:
    """Says how to get a link. Where one wanted to go is kept for after the sign-in, in a cookie of these pages."""
    target = _safe(request, request.GET.get("next", ""))
    if request.user.is_authenticated:
        return redirect(target or "/")
    response = render(request, "accounts/signin.html")
    if target:
        lifetime = int(services.LINK_LIFETIME.total_seconds())
        response.set_cookie(_TARGET_COOKIE, target, max_age=lifetime, path="/signin/", httponly=True, samesite="Lax")
    return response


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def signin_link(request: HttpRequest, secret: str) -> HttpResponse:
    """A GET only shows a button, since browsers and chat programs fetch links ahead; the POST signs in."""
    now = timezone.now()
    if request.method != "POST":
        usable = services.is_usable(secret=secret, now=now)
        return render(request, "accounts/signin_link.html", {"is_usable": usable}, status=200 if usable else 410)
    user = services.use_sign_in_secret(secret=secret, now=now)
    if user is None:
        return render(request, "accounts/signin_link.html", {"is_usable": False}, status=410)
    login(request, user)
    response = redirect(_safe(request, request.COOKIES.get(_TARGET_COOKIE, "")) or "/")
    response.delete_cookie(_TARGET_COOKIE, path="/signin/")
    return response


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def signout(request: HttpRequest) -> HttpResponse:
    """Ends the session on POST; a GET, which any page could cause, only asks."""
    if request.method == "POST":
        logout(request)
        return redirect("signin")
    return render(request, "accounts/signout.html") if request.user.is_authenticated else redirect("signin")


def _safe(request: HttpRequest, target: str) -> str:
    """``target`` if it is a page of ours, else nothing."""
    ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if ours and not target.startswith("/sign") else ""

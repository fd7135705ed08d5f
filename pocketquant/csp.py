"""Content-Security-Policy: what a page may load and run. Strict for our own pages, looser for three of other people."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"
_SELF = "'self'"
# The chart library writes one <style> for its logo; the hash lets just that text pass.
CHART_LOGO_STYLE = "'sha256-3pRED1tOXas1FXFoPb9TGCjmYe9XQsmO9OV23khV2nY='"


def _strict(nonce: str) -> dict[str, list[str]]:
    return {
        "default-src": ["'none'"],
        "script-src": [_SELF, f"'nonce-{nonce}'"],
        "style-src": [_SELF, f"'nonce-{nonce}'", CHART_LOGO_STYLE],
        "img-src": [_SELF, "data:"],
        "font-src": [_SELF],
        "connect-src": [_SELF],
        "manifest-src": [_SELF],
        "form-action": [_SELF],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }


# What others' pages need beyond that: the first prefix that fits.
_INLINE = {"script-src": [_SELF, "'unsafe-inline'"], "style-src": [_SELF, "'unsafe-inline'"]}
_LOOSER: dict[str, Mapping[str, list[str]]] = {
    # django-unfold's Alpine evaluates expressions written in attributes.
    "/admin/": _INLINE | {"script-src": [_SELF, "'unsafe-inline'", "'unsafe-eval'"]},
    # Redoc searches in a worker made from a blob.
    "/api/redoc/": _INLINE | {"worker-src": ["blob:"]},
    "/api/docs/": _INLINE,
    "/api/": _INLINE,  # the browsable API
}


def policy(path: str, nonce: str) -> str:
    """The header's value for a page at ``path``."""
    directives: dict[str, list[str]] = _strict(nonce)
    for prefix, changes in _LOOSER.items():
        if path.startswith(prefix):
            directives.update(changes)
            break
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())


class ContentSecurityPolicy:
    """Gives each request ``csp_nonce`` for its templates, and each answer the header and its companions."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        nonce = secrets.token_urlsafe(16)
        request.csp_nonce = nonce  # type: ignore[attr-defined] # read by templates
        response = self.get_response(request)
        response.headers.setdefault(HEADER, policy(request.path, nonce))
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        )
        return response

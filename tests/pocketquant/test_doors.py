"""Nothing is open to strangers but what must be."""

from __future__ import annotations

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

pytestmark = pytest.mark.django_db

OPEN = {"about/", "livez", "readyz", "healthz", "signin/", "signin/x/", "signout/"}
# Answers to strangers that give nothing away: sent to the sign-in page, or refused.
SHUT = {301, 302, 401, 403, 404, 405}
SIGN_IN_PAGES = ("/signin/", "/signout/", "/admin/login/")
PICTURES = {"/favicon.ico": "/static/img/mark.svg"}  # the site's mark, which the sign-in page shows too
_EXAMPLES = {"int": "1", "str": "x", "slug": "x", "path": "x", "uuid": "00000000-0000-0000-0000-000000000000"}


def every_path(patterns, prefix=""):
    """One example path for each route of the site."""
    for pattern in patterns:
        route = prefix + example_of(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from every_path(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def example_of(pattern):
    text = str(pattern)
    for name, converter in pattern.converters.items():
        kind = type(converter).__name__.removesuffix("Converter").lower().replace("string", "str")
        text = text.replace(f"<{kind}:{name}>", _EXAMPLES.get(kind, "x")).replace(f"<{name}>", "x")
    return text.removeprefix("^").removesuffix("$").removesuffix("\\Z")


def test_no_route_lets_a_stranger_in(client):
    paths = sorted(set(every_path(get_resolver().url_patterns)))
    assert len(paths) > 20
    open_paths = set()
    for path in paths:
        for method in ("get", "post"):
            answer = getattr(client, method)(f"/{path}")
            if answer.status_code in SHUT:
                location = answer.headers.get("Location", "")
                is_picture = location and location == PICTURES.get(f"/{path}")
                assert answer.status_code not in (301, 302) or is_picture or location.startswith(SIGN_IN_PAGES)
            else:
                open_paths.add(path)
    assert open_paths <= OPEN


def test_a_page_sends_strangers_to_the_sign_in_page_and_back(client):
    answer = client.get("/api/docs/?x=1")
    assert answer.status_code == 302
    assert answer["Location"] == "/signin/?next=/api/docs/%3Fx%3D1"


def test_the_api_says_401_to_strangers(client):
    answer = client.get("/api/v1/symbols")
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"].startswith("Session")
    assert answer.json()["title"] == "Not signed in"


def test_foreign_host_names_are_refused(client):
    """A name of somebody else's that points at this machine must not reach us."""
    for path in ("/livez", "/api/v1/symbols", "/signin/"):
        assert client.get(path, headers={"host": "evil.example"}).status_code == 400


def test_a_proxys_headers_are_not_believed(client):
    answer = client.get("/signin/", headers={"x-forwarded-host": "evil.example", "x-forwarded-proto": "https"})
    assert answer.status_code == 200
    assert not answer.wsgi_request.is_secure()
    assert answer.wsgi_request.get_host() == "testserver"


def test_django_admin_asks_for_no_password(client):
    answer = client.get("/admin/login/?next=/admin/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/signin/")


def test_the_owner_sees_the_admin(admin_client):
    assert admin_client.get("/admin/").status_code == 200
    assert admin_client.get("/admin/accounts/user/").status_code == 200

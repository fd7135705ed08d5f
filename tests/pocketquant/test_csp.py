"""What pages may load and run."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from pocketquant.csp import CHART_LOGO_STYLE

pytestmark = pytest.mark.django_db


def directives(answer):
    return dict(part.split(" ", 1) for part in answer["Content-Security-Policy"].split("; "))


def test_our_pages_run_only_their_own_scripts(client):
    rules = directives(client.get("/signin/"))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"'self' 'nonce-[\w-]{20,}'", rules["script-src"])
    assert "unsafe" not in str(rules)
    assert rules["connect-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"
    assert rules["form-action"] == "'self'"


def test_each_answer_has_a_nonce_of_its_own(client):
    first, second = (directives(client.get("/signin/"))["script-src"] for _ in range(2))
    assert first != second


@pytest.mark.parametrize("path", ["/admin/", "/api/docs/", "/api/redoc/"])
def test_pages_of_others_get_what_they_need_and_no_foreign_host(admin_client, path):
    answer = admin_client.get(path)
    assert answer.status_code == 200
    assert "'unsafe-inline'" in directives(answer)["script-src"]
    assert "http" not in answer["Content-Security-Policy"]
    assert not re.search(r'(src|href)="(https?:)?//(?!testserver)', answer.content.decode())


def test_answers_carry_the_other_guards_too(client):
    answer = client.get("/signin/")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in answer["Permissions-Policy"]


def test_errors_and_redirects_are_guarded_as_well(client):
    for path in ("/nowhere/", "/admin/"):
        assert "Content-Security-Policy" in client.get(path)


def test_the_chart_library_may_style_its_logo():
    (library,) = (Path(__file__).parents[2] / "static" / "vendor").glob("lightweight-charts-*.mjs")
    style = re.search(r'"(a#tv-attr-logo\{[^"]+)"', library.read_text())[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" == CHART_LOGO_STYLE


def test_a_page_that_names_no_icon_gets_ours(client):
    assert client.get("/favicon.ico")["Location"] == "/static/img/mark.svg"


def test_the_api_s_pages_have_our_icon(admin_client):
    for path in ("/api/docs/", "/api/redoc/"):
        assert "/static/img/mark.svg" in admin_client.get(path).content.decode()

"""Tokens: shown once, found by their text alone, and worth nothing once revoked, expired or their person's leave."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, User
from accounts.tokens import find_token, make_token, revoke_token
from domain.errors import InvalidRequest

pytestmark = pytest.mark.django_db
SYMBOLS = "/api/v1/symbols"


@pytest.fixture
def person():
    return User.objects.create_user("ada")


def made(person, scope=ApiToken.Scope.READ, **options):
    return make_token(user=person, name="notebook", scope=scope, now=timezone.now(), **options)


def bearer(text):
    return Client(headers={"Authorization": f"Bearer {text}"})


def test_a_program_reads_with_a_token_and_no_session(person):
    token, text = made(person)
    answer = bearer(text).get(SYMBOLS)
    assert answer.status_code == 200
    assert not answer.cookies
    token.refresh_from_db()
    assert timezone.now() - token.last_used_at < timedelta(minutes=1)


def test_only_the_hash_of_the_secret_is_kept(person):
    token, text = made(person)
    secret = text.partition(".")[2]
    assert text == f"pq_{token.key}.{secret}"
    assert secret not in {str(value) for value in ApiToken.objects.values_list()[0]}


@pytest.mark.parametrize(
    "change", [lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"), lambda _: "pq_x.y", str.upper]
)
def test_any_other_text_is_refused(person, change):
    _, text = made(person)
    answer = bearer(change(text)).get(SYMBOLS)
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"]


@pytest.mark.parametrize("header", ["", "Bearer", "Basic YTpi", "Bearer  ", "Token x"])
def test_without_a_token_nobody_is_let_in(header):
    assert Client(headers={"Authorization": header}).get(SYMBOLS).status_code == 401


def test_a_revoked_token_is_refused_from_the_next_request_on(person):
    token, text = made(person)
    client = bearer(text)
    assert client.get(SYMBOLS).status_code == 200
    revoke_token(token=token, now=timezone.now())
    assert client.get(SYMBOLS).status_code == 401


def test_a_token_ends_when_it_said_it_would(person):
    now = timezone.now()
    token, text = make_token(user=person, name="x", scope=ApiToken.Scope.READ, now=now, lifetime=timedelta(days=1))
    assert find_token(text=text, now=now + timedelta(hours=23, minutes=59)) == token
    assert find_token(text=text, now=now + timedelta(days=1)) is None


def test_whose_person_may_not_come_in_any_more_has_no_token_either(person):
    _, text = made(person)
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert bearer(text).get(SYMBOLS).status_code == 401


@pytest.mark.parametrize(
    ("scope", "expected"), [(ApiToken.Scope.READ, 403), (ApiToken.Scope.SYNC, 400), (ApiToken.Scope.ADMIN, 400)]
)
def test_a_scope_that_does_not_reach_is_named(person, scope, expected):
    """400: let through, and then told what the empty order lacks."""
    _, text = made(person, scope)
    answer = bearer(text).post("/api/v1/sync", {}, content_type="application/json")
    assert answer.status_code == expected
    if expected == 403:
        assert answer.json()["detail"] == "The scope of this token is read; this needs sync."


def test_a_token_opens_no_page(person):
    _, text = made(person, ApiToken.Scope.ADMIN)
    for path in ("/chart/", "/settings/tokens/", "/admin/", "/api/docs/"):
        answer = bearer(text).get(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith(("/signin/", "/admin/login/"))


@pytest.mark.parametrize(
    "options", [{"name": " "}, {"name": "x" * 101}, {"lifetime": timedelta()}, {"lifetime": timedelta(days=9_999)}]
)
def test_a_token_has_a_name_and_a_sensible_life(person, options):
    with pytest.raises(InvalidRequest):
        make_token(**{"user": person, "name": "x", "scope": ApiToken.Scope.READ, "now": timezone.now()} | options)


# The page


@pytest.fixture
def page(client, person):
    client.force_login(person)
    return client


def test_the_page_shows_the_text_of_a_new_token_once(page):
    answer = page.post("/settings/tokens/", {"name": "laptop", "scope": "sync", "days": "30"})
    token = ApiToken.objects.get()
    assert answer.status_code == 200
    assert f"pq_{token.key}." in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert (token.name, token.scope) == ("laptop", "sync")
    assert timedelta(days=29) < token.expires_at - timezone.now() <= timedelta(days=30)
    assert f"pq_{token.key}.…" in page.get("/settings/tokens/").content.decode()


@pytest.mark.parametrize("wrong", [{"name": ""}, {"scope": "root"}, {"days": "forever"}])
def test_what_is_wrong_makes_no_token_and_is_said(page, wrong):
    answer = page.post("/settings/tokens/", {"name": "laptop", "scope": "read", "days": "30"} | wrong)
    assert answer.status_code == 400
    assert b'role="alert"' in answer.content
    assert not ApiToken.objects.exists()


def test_the_page_revokes_ones_own_tokens_and_nobody_elses(page, person):
    own, _ = made(person)
    other, text = made(User.objects.create_user("eve"))
    assert page.post(f"/settings/tokens/{own.pk}/revoke/").status_code == 302
    assert page.post(f"/settings/tokens/{other.pk}/revoke/").status_code == 404
    assert bearer(text).get(SYMBOLS).status_code == 200
    own.refresh_from_db()
    assert own.revoked_at is not None

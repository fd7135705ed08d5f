"""Coming in: one link, once, soon, by a button."""

from __future__ import annotations

import stat
import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import links, services
from accounts.models import SignInLink, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return services.ensure_owner()


@pytest.fixture
def link(owner):
    return f"/signin/{services.make_sign_in_secret(user=owner, now=timezone.now())}/"


def is_signed_in(client):
    return "_auth_user_id" in client.session


def test_the_owner_may_do_everything_and_has_no_password(owner):
    assert owner.is_superuser
    assert owner.is_staff
    assert not owner.has_usable_password()


def test_there_is_one_owner_however_often_we_start(owner):
    assert services.ensure_owner() == owner
    assert User.objects.count() == 1


def test_opening_the_link_shows_a_button_and_spends_nothing(client, link):
    for _ in range(3):
        answer = client.get(link)
        assert answer.status_code == 200
        assert b'<form method="post"' in answer.content
    client.head(link)
    assert not is_signed_in(client)
    assert SignInLink.objects.get().used_at is None


def test_pressing_the_button_signs_in(client, link, owner):
    answer = client.post(link)
    assert answer.status_code == 302
    assert answer["Location"] == "/"
    assert client.session["_auth_user_id"] == str(owner.pk)


def test_the_link_works_once(client, link):
    client.post(link)
    second = Client()
    answer = second.post(link)
    assert answer.status_code == 410
    assert b"has been used" in answer.content
    assert not is_signed_in(second)
    assert second.get(link).status_code == 410


def test_the_link_ends_after_fifteen_minutes(owner):
    now = timezone.now()
    secret = services.make_sign_in_secret(user=owner, now=now)
    assert services.is_usable(secret=secret, now=now + timedelta(minutes=14, seconds=59))
    assert not services.is_usable(secret=secret, now=now + timedelta(minutes=15))
    assert services.use_sign_in_secret(secret=secret, now=now + timedelta(minutes=15)) is None


def test_a_new_link_ends_those_before_it(owner):
    now = timezone.now()
    first = services.make_sign_in_secret(user=owner, now=now)
    second = services.make_sign_in_secret(user=owner, now=now)
    assert services.use_sign_in_secret(secret=first, now=now) is None
    assert services.use_sign_in_secret(secret=second, now=now) == owner


def test_only_a_hash_of_the_secret_is_kept(owner):
    secret = services.make_sign_in_secret(user=owner, now=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_signinlink")
        assert secret not in str(cursor.fetchall())


def test_somebody_who_was_shut_out_cannot_use_a_link(owner):
    now = timezone.now()
    secret = services.make_sign_in_secret(user=owner, now=now)
    User.objects.update(is_active=False)
    assert services.use_sign_in_secret(secret=secret, now=now) is None


def test_the_button_needs_the_page_it_stands_on(link):
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(link).status_code == 403
    token = strict.get(link).cookies["csrftoken"].value
    assert strict.post(link, {"csrfmiddlewaretoken": token}).status_code == 302


def test_a_made_up_link_does_nothing(client):
    assert client.post("/signin/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/").status_code == 410
    assert not is_signed_in(client)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_press_at_once_one_comes_in(owner):
    secret = services.make_sign_in_secret(user=owner, now=timezone.now())
    barrier, users = threading.Barrier(6), []

    def press():
        barrier.wait()
        try:
            users.append(services.use_sign_in_secret(secret=secret, now=timezone.now()))
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(users, key=str) == [None] * 5 + [owner]


def test_a_stranger_is_told_how_to_get_a_link(client):
    answer = client.get("/signin/")
    assert answer.status_code == 200
    assert b"manage.py signin" in answer.content


def test_one_goes_where_one_wanted_to_go(client, link):
    sent_away = client.get("/admin/?q=1")
    assert sent_away.status_code == 302
    page = client.get(sent_away["Location"], follow=True)
    assert page.status_code == 200
    assert client.post(link)["Location"] == "/admin/?q=1"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "/signout/", "javascript:alert(1)"])
def test_one_does_not_go_elsewhere(client, link, target):
    client.get("/signin/", {"next": target})
    assert client.post(link)["Location"] == "/"


def test_a_stranger_leaves_nothing_in_the_database(client):
    client.get("/signin/?next=/admin/")
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM django_session")
        assert cursor.fetchone() == (0,)


def test_signing_out_takes_a_post(client, link):
    client.post(link)
    assert client.get("/signout/").status_code == 200
    assert is_signed_in(client)
    assert client.post("/signout/")["Location"] == "/signin/"
    assert not is_signed_in(client)


def test_the_sign_in_pages_are_never_cached(client, link):
    for path in ("/signin/", link):
        assert "no-store" in client.get(path)["Cache-Control"]


def test_the_command_prints_a_link_and_keeps_it_in_a_private_file(client):
    out, err = StringIO(), StringIO()
    call_command("signin", stdout=out, stderr=err)
    url = out.getvalue().strip()
    path = settings.VAR_DIR / links.FILE_NAME
    assert url.startswith("http://127.0.0.1:")
    assert path.read_text().strip() == url
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert client.post(url.removeprefix("http://127.0.0.1:8000")).status_code == 302


def test_the_command_knows_only_those_who_exist():
    with pytest.raises(CommandError, match="nobody called ghost"):
        call_command("signin", user="ghost")


def test_a_first_start_leaves_a_link_until_somebody_has_come_in(client):
    path = settings.VAR_DIR / links.FILE_NAME
    call_command("prepare", no_demo=True, base_url="http://127.0.0.1:8123", stdout=StringIO())
    first = path.read_text().strip()
    assert client.post(first.removeprefix("http://127.0.0.1:8123")).status_code == 302
    path.unlink()
    call_command("prepare", no_demo=True, stdout=StringIO())
    assert not path.exists()

"""Pages about what went wrong: each status has its own heading, and a way on."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from domain import errors
from pocketquant.urls import handler400, handler403, handler404, handler500  # noqa: F401 - this module is a urlconf
from pocketquant.urls import urlpatterns as site

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
FAILURES = {
    "store": errors.StoreUnavailable("MongoDB does not answer"),
    "late": errors.Conflict("run 5 has ended"),
    "wrong": errors.InvalidRequest("7m is none"),
    "symbol": errors.UnknownSymbol("there is no DEMO:NOBODY"),
    "theirs": errors.ProviderRejected("no"),
    "ours": RuntimeError("the secret plan"),
    "plain": errors.PocketQuantError("the secret plan"),
}


def fail(request, name):
    raise FAILURES[name]


def answer(request, status):
    return HttpResponse(status=status, headers={"Retry-After": "7"})


urlpatterns = [path("fail/<str:name>/", fail), path("answer/<int:status>/", answer), *site]


@pytest.fixture
def reader(db):
    client = Client(raise_request_exception=False, headers=BROWSER)
    client.force_login(get_user_model().objects.create_user("reader"))
    return client


def shown(answer):
    """Status, heading and text of a page."""
    text = re.sub(r"<[^>]+>", "", answer.content.decode().replace("&#x27;", "'"))
    return answer.status_code, re.search(r"<h1>(.*?)</h1>", answer.content.decode())[1], text


@pytest.mark.parametrize(
    ("address", "status", "heading"),
    [
        ("/fail/wrong/", 400, "This address cannot be understood"),
        ("/fail/symbol/", 404, "There is no page at this address"),
        ("/nowhere/", 404, "There is no page at this address"),
        ("/coverage/DEMO:NOBODY", 404, "DEMO:NOBODY is not registered here"),
        ("/coverage/DEMO:NOBODY/fill/", 405, "This address cannot be opened like this"),
        ("/fail/late/", 409, "This cannot be done any more"),
        ("/answer/415/", 415, "What was sent is of a kind that is not read here"),
        ("/answer/429/", 429, "That was asked for too often"),
        ("/fail/ours/", 500, "Something failed here"),
        ("/fail/plain/", 500, "Something failed here"),
        ("/fail/theirs/", 502, "The provider answered with an error"),
        ("/fail/store/", 503, "A part of PocketQuant does not answer"),
        ("/answer/503/", 503, "A part of PocketQuant does not answer"),
    ],
)
def test_each_status_has_its_heading_and_a_way_on(reader, address, status, heading):
    found = reader.get(address)
    assert shown(found)[:2] == (status, heading)
    assert 'href="/' in found.content.decode()
    assert "secret plan" not in found.content.decode()


def test_a_right_that_is_lacking_and_a_form_that_is_too_old_are_said(reader, settings):
    strict = Client(enforce_csrf_checks=True, headers=BROWSER)
    strict.force_login(get_user_model().objects.get())
    status, heading, _ = shown(strict.post("/sync/start/", {"symbols": "DEMO:BTCUSD"}))
    assert (status, heading) == (403, "The form was too old to be sent")


def test_what_a_form_sent_is_no_address(reader):
    status, heading, text = shown(reader.post("/fail/wrong/"))
    assert (status, heading) == (400, "What was sent cannot be understood")
    assert "7m is none" in text


def test_the_reason_is_shown_and_what_may_pass_can_be_tried_again(reader):
    _, _, text = shown(reader.get("/fail/store/"))
    assert "MongoDB does not answer" in text
    assert "Try again" in text
    assert "Try again" not in shown(reader.get("/fail/late/"))[2]
    assert "Try again" not in shown(reader.post("/fail/store/"))[2], "sending a form again is the browser's business"


def test_headers_for_programs_stay(reader):
    assert reader.get("/answer/429/").headers["Retry-After"] == "7"
    assert reader.get("/coverage/DEMO:NOBODY/fill/").headers["Allow"] == "POST"


def test_programs_are_told_as_by_the_api(reader):
    found = reader.get("/fail/late/", headers={"accept": "application/json"})
    assert found.status_code == 409
    assert found.json()["detail"] == "run 5 has ended"
    assert reader.get("/answer/503/", headers={"accept": "*/*"}).content == b""

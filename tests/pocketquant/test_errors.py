"""Each error of the API has one shape, wherever it comes from."""

from __future__ import annotations

import json

import pytest
from django.test import Client, RequestFactory
from django.urls import path
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import AllowAny

from domain import errors
from pocketquant import error_pages
from pocketquant.exception_handler import STATUS_OF
from pocketquant.problems import kinds
from pocketquant.urls import handler400, handler403, handler404, handler500  # noqa: F401 - this module is a urlconf
from pocketquant.urls import urlpatterns as site

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
RAISED = {}


class Body(serializers.Serializer):
    limit = serializers.IntegerField(max_value=10)
    bars = serializers.ListField(child=serializers.FloatField())


@api_view(["GET", "POST"])
@permission_classes([AllowAny])
def fail(request):
    if request.method == "POST":
        Body(data=request.data).is_valid(raise_exception=True)
    raise RAISED["error"]


urlpatterns = [path("api/fail", fail), *site]


def get(client, address="/api/fail"):
    answer = client.get(address)
    assert answer["Content-Type"] == "application/problem+json"
    body = json.loads(answer.content)
    assert body.keys() == {"type", "title", "status", "detail", "request_id", "errors"}
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer["X-Request-ID"]
    return answer, body


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.UnknownSymbol("no NASDAQ:XYZ here"), 404, "unknown-symbol"),
        (errors.UnsupportedInterval("2m is none"), 400, "unsupported-interval"),
        (errors.NaiveTime("write 14:30Z"), 400, "naive-time"),
        (errors.StoreUnavailable("MongoDB is away"), 503, "store-unavailable"),
        (errors.ProviderUnavailable("too busy"), 503, "provider-unavailable"),
        (errors.ProviderRejected("no"), 502, "provider-rejected"),
        (errors.ProtocolError("?"), 502, "protocol-error"),
    ],
)
def test_our_errors_have_their_status_and_say_their_words(client, error, status, kind):
    RAISED["error"] = error
    answer, body = get(client)
    assert answer.status_code == status
    assert body["detail"] == str(error)
    assert body["type"].endswith(f"#{kind}")


def test_every_error_of_ours_is_in_the_table():
    def tree(kind):
        return {kind}.union(*map(tree, kind.__subclasses__()))

    assert all(issubclass(kind, tuple(STATUS_OF)) for kind in tree(errors.PocketQuantError))


def test_when_to_try_again_is_passed_on(client):
    RAISED["error"] = errors.ProviderUnavailable("wait", retry_after_seconds=12.4)
    answer, _ = get(client)
    assert answer["Retry-After"] == "12"


def test_wrong_fields_are_named_one_by_one(client):
    answer = client.post("/api/fail", {"limit": 11, "bars": [1, "x"]}, content_type="application/json")
    body = answer.json()
    assert answer.status_code == 400
    assert {error["field"] for error in body["errors"]} == {"limit", "bars.1"}
    assert "limit: " in body["detail"]


def test_unreadable_json_is_a_400(client):
    answer = client.post("/api/fail", "{", content_type="application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("error", [errors.NaiveTime("write 14:30Z"), NotAuthenticated()])
def test_a_browser_is_shown_the_error_as_a_page(client, error):
    RAISED["error"] = error
    answer = client.get("/api/fail", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer["Content-Type"].startswith("text/html")
    assert "request_id" in answer.content.decode()


def test_a_wrong_method_says_so(client):
    answer = client.delete("/api/fail")
    assert answer.status_code == 405
    assert answer.json()["title"] == "Method not allowed"


def test_an_unknown_address_under_api_is_a_problem_too(client):
    answer, _ = get(client, "/api/v1/nowhere")
    assert answer.status_code == 404


def test_an_unknown_page_is_a_page(client):
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


def test_what_nobody_expected_gives_nothing_away():
    RAISED["error"] = RuntimeError("the secret plan")
    client = Client(raise_request_exception=False)
    answer, body = get(client)
    assert answer.status_code == 500
    assert "secret plan" not in str(body)


def test_a_missing_csrf_token_is_a_problem_too():
    request = RequestFactory().post("/api/v1/x")
    answer = error_pages.csrf_failure(request, "no cookie")
    assert answer.status_code == 403
    assert json.loads(answer.content)["detail"] == "CSRF check failed: no cookie"


def test_the_type_of_each_error_leads_to_a_page_that_names_it(admin_client):
    RAISED["error"] = errors.UnsupportedInterval("2m is none")
    _, body = get(admin_client)
    address, _, anchor = body["type"].partition("#")
    assert address == "/problems/"
    page = admin_client.get(address).content.decode()
    assert f'id="{anchor}"' in page
    assert "Not one of the 13 intervals" in page
    assert 'id="not-signed-in"' in page


def test_the_page_of_errors_says_what_each_of_them_means():
    listed = kinds()
    assert [kind.name for kind in listed if not kind.meaning] == []
    assert len({kind.name for kind in listed}) == len(listed)  # each is an anchor

"""A log is JSON in files, and holds no secret."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from pocketquant import logs

TOKEN = "eyJhbGciOiJSUzUxMiJ9.eyJ1c2VyX2lkIjoxfQ.c2lnbmF0dXJl"


@pytest.fixture
def written():
    """What the site's own handler writes, as a list of objects when called."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs._formatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def token():
    before = list(logs._secrets)
    logs.hide([TOKEN, *before])
    yield TOKEN
    logs.hide(before)


def test_a_line_is_one_json_object_with_time_level_and_place(written):
    structlog.get_logger("quotes.stream").info("connected", symbols=3)
    (line,) = written()
    assert line["event"] == "connected"
    assert line["symbols"] == 3
    assert line["level"] == "info"
    assert line["logger"] == "quotes.stream"
    assert line["timestamp"].endswith("Z")


def test_lines_of_libraries_look_the_same(written):
    logging.getLogger("django_q.cluster").warning("worker %s died", 7)
    (line,) = written()
    assert line["event"] == "worker 7 died"
    assert {"level", "logger", "timestamp"} <= line.keys()


@pytest.mark.parametrize(
    "say",
    [
        lambda token: structlog.get_logger("x").info("sending", frame=f'{{"m":"set_auth_token","p":["{token}"]}}'),
        lambda token: structlog.get_logger("x").info(f"token is {token}"),
        lambda token: structlog.get_logger("x").info("connect", auth={"deep": [token]}),
        lambda token: logging.getLogger("websockets.client").warning("> TEXT %r", f"~m~9~m~{token}"),
        lambda token: logging.getLogger("x").error("failed", exc_info=ValueError(f"refused {token}")),
    ],
)
def test_the_providers_token_never_enters_a_log(written, token, say):
    say(token)
    lines = written()
    assert lines
    assert TOKEN not in json.dumps(lines)
    assert "[hidden]" in json.dumps(lines)


def test_a_field_with_a_secret_name_is_hidden_whatever_it_holds(written):
    structlog.get_logger("x").info("request", Authorization="Bearer abc", session_id="1", password=["p"], user="ann")
    (line,) = written()
    assert line["user"] == "ann"
    assert {line["Authorization"], line["session_id"], line["password"]} == {"[hidden]"}


def test_a_sign_in_link_never_enters_a_log(written, client, db):
    secret = "s3cr3t-" + "x" * 36
    client.get(f"/signin/{secret}/")
    client.post(f"/signin/{secret}/")
    structlog.get_logger("x").info("made a link", url=f"http://127.0.0.1:8000/signin/{secret}/")
    assert secret not in json.dumps(written())
    assert "/signin/[hidden]" in json.dumps(written())


def test_the_password_of_an_address_is_hidden(written):
    logging.getLogger("pymongo").warning("cannot reach mongodb://me:hunter2@host:27017/")
    assert "hunter2" not in json.dumps(written())
    assert "mongodb://me:[hidden]@host:27017/" in json.dumps(written())


def test_each_line_of_a_request_carries_its_id(written, client):
    answer = client.get("/livez", headers={"X-Request-ID": "from-a-client-1"})
    assert answer["X-Request-ID"] == "from-a-client-1"
    assert {line["request_id"] for line in written() if "request" in line} == {"from-a-client-1"}


@pytest.mark.parametrize("bad", ["x", "a b c d e f g h", 'quote"quote"quote', "x" * 65])
def test_an_unfit_request_id_is_replaced(client, bad):
    answer = client.get("/livez", headers={"X-Request-ID": bad})
    assert answer["X-Request-ID"] != bad
    assert len(answer["X-Request-ID"]) == 36

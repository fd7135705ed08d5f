"""What the health pages say, to everyone."""

from __future__ import annotations

import json
import time

import pytest

from marketdata import mongo
from quotes.cache import STREAMER

pytestmark = pytest.mark.django_db
NOWHERE = "mongodb://%2Ftmp%2Fpocketquant-nobody-here.sock/?directConnection=true"


def beat(redis_client, age=0.0):
    redis_client.set(STREAMER, json.dumps({"epoch": 1, "time": time.time() - age, "symbols": []}))


def words(client, path="/readyz"):
    answer = client.get(path)
    body = answer.json()
    return answer.status_code, body["status"], {name: check["status"] for name, check in body["checks"].items()}


@pytest.mark.parametrize("path", ["/readyz", "/healthz"])
def test_all_is_well(client, redis_client, mongo_database, path):
    beat(redis_client)
    assert words(client, path) == (
        200,
        "pass",
        {"sql": "pass", "mongodb": "pass", "redis": "pass", "streamer": "pass"},
    )


def test_without_a_streamer_it_is_a_warning(client, redis_client):
    status, word, checks = words(client)
    assert (status, word, checks["streamer"]) == (200, "warn", "warn")


def test_a_silent_streamer_is_a_warning(client, redis_client):
    beat(redis_client, age=12)
    assert words(client)[2]["streamer"] == "warn"
    beat(redis_client, age=5)
    assert words(client)[2]["streamer"] == "pass"


def test_without_redis_it_is_a_warning(client, settings):
    settings.REDIS_URL = "unix:///tmp/pocketquant-nobody-here.sock"
    status, word, checks = words(client)
    assert (status, word, checks["redis"], checks["sql"]) == (200, "warn", "warn", "pass")


def test_without_mongodb_it_fails_soon(client, settings, monkeypatch):
    settings.MONGODB_URI = NOWHERE
    monkeypatch.setattr(mongo, "_databases", {})
    began = time.monotonic()
    status, word, checks = words(client)
    assert (status, word, checks["mongodb"]) == (503, "fail", "fail")
    assert time.monotonic() - began < 4


def test_strangers_learn_no_addresses_or_reasons(client, settings):
    settings.REDIS_URL = "unix:///tmp/pocketquant-nobody-here.sock"
    text = client.get("/readyz").content.decode()
    assert "pocketquant-nobody" not in text
    assert "sock" not in text


def test_livez_asks_nobody(client, settings, django_assert_num_queries):
    settings.REDIS_URL, settings.MONGODB_URI = "redis://127.0.0.1:1", NOWHERE
    with django_assert_num_queries(0):
        answer = client.get("/livez")
    assert answer.status_code == 200
    assert answer.json() == {"status": "pass"}
    assert "no-store" in answer["Cache-Control"]


def test_health_pages_only_answer_reads(client):
    assert client.post("/readyz").status_code == 405

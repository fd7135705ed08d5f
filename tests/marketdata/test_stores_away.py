"""GET /api/v1/bars while a store is away, hangs, or comes back. Real servers of this test's own."""

from __future__ import annotations

import os
import signal
import time

import pytest
from django.contrib.auth import get_user_model

from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import mongo
from marketdata.repository import BarRepository
from pocketquant.embedded.paths import redis_url, run_dir
from pocketquant.embedded.sockets import wait_until_ready
from pocketquant.embedded.valkey import Valkey
from symbols.services import add_symbol
from tests.marketdata.builders import START, bar

BTC = "DEMO:BTCUSD"
URL = f"/api/v1/bars?symbols={BTC}&interval=1m"


@pytest.fixture
def reader(client, db, impatient):
    """Signed in, and one bar stored."""
    instrument = add_symbol(code=BTC, details=Instrument(symbol=BTC, provider="demo"), streaming=False)[0].instrument()
    BarRepository(mongo.database()).save(instrument, Interval.M1, [bar(0)])
    client.force_login(get_user_model().objects.create_user("reader"))
    return client


def test_nobody_waits_longer_than_seconds_for_a_server_that_is_away_or_hangs(mongod):
    """What the tests below shorten."""
    with mongo.connect(mongod.uri) as client:
        found = client.options
        waits = found.server_selection_timeout, found.pool_options.connect_timeout, found.heartbeat_frequency
    assert all(seconds <= 3 for seconds in waits)


def assert_has_the_bar(answer):
    assert answer.status_code == 200
    assert [one["open_time"] for one in answer.json()["bars"]] == [f"{START:%Y-%m-%dT%H:%M:%SZ}"]


def assert_is_away(answer):
    body = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert (body["status"], body["type"]) == (503, "/problems/#store-unavailable")
    assert "MongoDB does not answer" in body["detail"]


def test_without_mongodb_it_says_so_within_seconds_and_recovers_by_itself(reader, mongod):
    assert_has_the_bar(reader.get(URL))
    mongod.stop()
    try:
        began = time.monotonic()
        assert_is_away(reader.get(URL))
        assert time.monotonic() - began < 6
    finally:
        mongod.start()
        wait_until_ready(mongod)
    assert_has_the_bar(reader.get(URL))


def test_a_mongodb_that_hangs_hangs_nobody_for_long(reader, mongod):
    assert_has_the_bar(reader.get(URL))
    os.kill(mongod.child.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert_is_away(reader.get(URL))
        assert time.monotonic() - began < 10
    finally:
        os.kill(mongod.child.pid, signal.SIGCONT)
    assert_has_the_bar(reader.get(URL))


def test_without_mongodb_what_is_wrong_with_the_question_is_told_all_the_same(reader, mongod):
    os.kill(mongod.child.pid, signal.SIGSTOP)
    try:
        for query, status in (("&limit=0", 400), ("&start=2026-01-01T00:00:00", 400)):
            assert reader.get(URL + query).status_code == status
        assert reader.get(URL.replace("BTCUSD", "NOSUCH")).status_code == 404
    finally:
        os.kill(mongod.child.pid, signal.SIGCONT)


@pytest.mark.parametrize("is_hanging", [False, True])
def test_without_valkey_bars_are_served_all_the_same(reader, settings, tmp_path_factory, is_hanging):
    folder = tmp_path_factory.mktemp("live")
    settings.REDIS_URL = redis_url(folder)
    server = Valkey(run=run_dir(folder), log=folder / "valkey.log")
    server.start()
    wait_until_ready(server)
    try:
        assert reader.get(f"/api/v1/quotes?symbols={BTC}").status_code == 200  # it is this Valkey that is asked
        if is_hanging:
            os.kill(server.child.pid, signal.SIGSTOP)
        else:
            server.stop()
        began = time.monotonic()
        assert_has_the_bar(reader.get(URL))
        assert time.monotonic() - began < 1
        quotes = reader.get(f"/api/v1/quotes?symbols={BTC}")
        assert (quotes.status_code, quotes["Content-Type"]) == (503, "application/problem+json")
        assert time.monotonic() - began < 10
    finally:
        if is_hanging:
            os.kill(server.child.pid, signal.SIGCONT)
        server.stop()

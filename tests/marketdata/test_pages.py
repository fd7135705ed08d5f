"""Rendered answers in Redis: bounded whatever is asked, gone after a while, never in the way."""

from __future__ import annotations

import os
import signal
import time

import pytest

from marketdata import pages as module
from marketdata.pages import Pages, pages
from pocketquant.embedded.paths import redis_url, run_dir
from pocketquant.embedded.sockets import wait_until_ready
from pocketquant.embedded.valkey import Valkey
from tests.marketdata.builders import bar
from tests.marketdata.conftest import BTC

URL = f"/api/v1/bars?symbols={BTC}&interval=1m&start=2026-01-05&end=2026-01-06"


@pytest.fixture
def cache(redis_client, settings):
    return Pages(f"{settings.REDIS_URL}?db=1", most_bytes=100_000)


@pytest.fixture
def held(redis_client):
    """What the pages take in Redis: bytes of pages that are there, number of keys, and what the books say."""

    def count():
        redis_client.select(1)
        names = [key for key in redis_client.keys("{bars}:*") if key not in (b"{bars}:order", b"{bars}:total")]
        size = sum(redis_client.strlen(name) for name in names)
        told = int(redis_client.get("{bars}:total") or 0)
        booked = redis_client.zcard("{bars}:order")
        redis_client.select(0)
        return size, len(names), told, booked

    return count


@pytest.fixture
def another(settings):
    """The cache as another process sees it: what it finds comes from Redis."""
    return Pages(f"{settings.REDIS_URL}?db=1")


def test_a_page_comes_back_as_it_was_put_in_every_process(cache, another):
    cache.put("a", b"\x00\xff" * 10)
    for process in (cache, another):
        assert (process.get("a"), process.get("b")) == (b"\x00\xff" * 10, None)


def test_a_process_holds_the_pages_it_saw_last_within_a_bound_of_its_own(cache, redis_client, monkeypatch):
    monkeypatch.setattr(module, "MOST_OWN_BYTES", 5_000)
    for number in range(20):
        cache.put(f"page{number}", bytes(1_000))
        cache.get("page0")
    redis_client.flushall()
    assert [number for number in range(20) if cache.get(f"page{number}")] == [0, 16, 17, 18, 19]
    cache.put("large", bytes(6_000))
    redis_client.flushall()
    assert cache.get("large") is None


def test_however_many_pages_are_put_they_stay_within_the_bound_and_the_newest_stay(cache, another, held):
    for number in range(2_000):
        cache.put(f"page{number}", bytes(1_000))
    assert held() == (100_000, 100, 100_000, 100)
    assert another.get("page1999")
    assert another.get("page1899") is None


def test_a_page_that_is_put_again_counts_once(cache, held):
    for _ in range(50):
        cache.put("a", bytes(1_000))
    assert held() == (1_000, 1, 1_000, 1)


def test_a_page_too_large_to_share_the_room_is_not_kept(cache, held):
    cache.put("large", bytes(module.MOST_PAGE_BYTES + 1))
    assert held() == (0, 0, 0, 0)


def test_pages_expire_and_so_do_the_books(cache, redis_client, monkeypatch, held):
    monkeypatch.setattr(module, "SECONDS", 1)
    cache.put("a", bytes(10))
    until = time.monotonic() + 5
    while held() != (0, 0, 0, 0) and time.monotonic() < until:
        time.sleep(0.05)
    assert held() == (0, 0, 0, 0)


def test_what_expired_by_itself_is_taken_off_the_books(cache, redis_client, held):
    cache.put("old", bytes(500))
    redis_client.select(1)
    redis_client.delete("{bars}:old")
    redis_client.zadd("{bars}:order", {"500 {bars}:old": time.time() - module.SECONDS - 1})
    redis_client.select(0)
    cache.put("new", bytes(10))
    assert held() == (10, 1, 10, 1)


def test_books_that_a_server_short_of_memory_let_go_of_are_made_anew(cache, redis_client, held):
    for number in range(90):
        cache.put(f"page{number}", bytes(1_000))
    redis_client.select(1)
    redis_client.delete("{bars}:total")
    redis_client.select(0)
    for number in range(90, 200):
        cache.put(f"page{number}", bytes(1_000))
    assert held() == (100_000, 100, 100_000, 100)


@pytest.mark.parametrize("is_hanging", [False, True])
def test_a_redis_that_is_away_or_hangs_costs_a_moment_once_and_is_asked_again_later(
    tmp_path_factory, monkeypatch, is_hanging
):
    monkeypatch.setattr(module, "_LEFT_ALONE_SECONDS", 1.0)
    folder = tmp_path_factory.mktemp("cache")
    server = Valkey(run=run_dir(folder), log=folder / "valkey.log")
    server.start()
    wait_until_ready(server)
    cache = Pages(f"{redis_url(folder)}?db=1")
    try:
        cache.put("a", b"1")  # the connection is made
        if is_hanging:
            os.kill(server.child.pid, signal.SIGSTOP)
        else:
            server.stop()
        began = time.monotonic()
        for _ in range(100):
            assert cache.get("c") is None
            cache.put("b", b"2")
        assert time.monotonic() - began < 0.9
        if is_hanging:
            os.kill(server.child.pid, signal.SIGCONT)
        else:
            server.start()
            wait_until_ready(server)
        other = Pages(f"{redis_url(folder)}?db=1")
        until = time.monotonic() + 10
        while other.get("c") is None and time.monotonic() < until:
            cache.put("c", b"3")
            time.sleep(0.05)
        assert other.get("c") == b"3"
    finally:
        server.stop()


def test_an_answer_is_kept_and_served_again_to_the_byte(reader, store, redis_client, held):
    store(btc=[bar(n) for n in range(100)])
    first = reader.get(URL)
    assert held()[1] == 1
    again = reader.get(URL)
    assert again.content == first.content
    skipped = {"X-Request-ID"}
    assert {k: v for k, v in again.items() if k not in skipped} == {k: v for k, v in first.items() if k not in skipped}


def test_what_is_served_from_the_cache_is_what_was_kept_there(reader, store, redis_client):
    """Or else this file tests nothing."""
    store(btc=[bar(0)])
    tag = reader.get(URL)["ETag"].strip('"')
    pages().put(tag, b'{"Content-Type": "application/json"}\n{"kept": 1}')
    assert reader.get(URL).json() == {"kept": 1}


def test_a_change_of_the_data_makes_a_new_answer_at_once(reader, store, redis_client):
    store(btc=[bar(0)])
    assert len(reader.get(URL).json()["bars"]) == 1
    store(btc=[bar(1)])
    assert len(reader.get(URL).json()["bars"]) == 2
    store(btc=[bar(1, price=50.0)])
    assert reader.get(URL).json()["bars"][0]["close"] == 50.5


def test_moments_between_two_bars_ask_for_the_same_answer(reader, store, redis_client, held):
    store(btc=[bar(0)])
    tags = {
        reader.get(URL.replace("start=2026-01-05", f"start=2026-01-04T23:59:{second}Z"))["ETag"]
        for second in ("01", "30", "59.5")
    }
    assert len(tags) == 1
    assert held()[1] == 1


def test_answers_with_forming_bars_are_never_kept(reader, store, redis_client, held):
    store(btc=[bar(0)])
    assert reader.get(f"{URL}&include_forming=true").status_code == 200
    assert held()[1] == 0

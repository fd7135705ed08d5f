"""Forming bars over HTTP: among the bars only when asked for, marked as such, and never one that has closed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.test import Client
from msgspec.structs import replace

from domain.bar import Bar, BarSource, BarState
from domain.interval import Interval
from marketdata.repository import BarRepository
from quotes.cache import LiveCache
from tests.quotes.live import BTC, a_bar, a_publisher, registered

ETH = "DEMO:ETHUSD"
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]
HOUR = datetime(2026, 3, 2, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _the_hour_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As each test begins. Should it end meanwhile, its bar still counts as forming for some seconds."""
    monkeypatch.setitem(globals(), "HOUR", datetime.now(UTC).replace(minute=0, second=0, microsecond=0))


def an_hour(ago: int = 0, *, symbol: str = BTC, close: float = 101.0, **values: Any) -> Bar:
    """The bar of the hour that runs, or of one before."""
    opens = HOUR - timedelta(hours=ago)
    bar = a_bar(symbol=symbol, close=close, interval=Interval.H1)
    return replace(bar, open_time=opens, starts_at=opens, close_time=opens + timedelta(hours=1), **values)


def forming(symbol: str = BTC, close: float = 102.0) -> Bar:
    return an_hour(symbol=symbol, close=close, state=BarState.FORMING)


def stored(ago: int = 1, symbol: str = BTC, **values: Any) -> Bar:
    return an_hour(ago, symbol=symbol, state=BarState.FINAL, source=BarSource.HISTORY, **values)


async def publish(*bars: Bar, follows: tuple[str, ...] = (BTC,)) -> None:
    async with a_publisher() as publisher:
        for bar in bars:
            publisher.forming(bar)
        await publisher.heartbeat(list(follows))
        await publisher.flush()


async def watch(*symbols: str) -> None:
    cache = LiveCache()
    await cache.watch([(symbol, "1h") for symbol in symbols], nudge=False)
    await cache.close()


@contextmanager
def a_streamer(*bars: Bar) -> Iterator[None]:
    """Publishes ``bars`` once somebody watches the first of them."""

    async def serve() -> None:
        cache = LiveCache()
        while (bars[0].symbol, bars[0].interval.value) not in await cache.watched():
            await asyncio.sleep(0.01)
        await cache.close()
        await publish(*bars)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield
    finally:
        thread.join()


@pytest.fixture
def ask(client: Client, mongo_database: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Asks for hours of BTC and stores what is given first: ``ask(bars, include_forming="true", ...)``."""
    monkeypatch.setattr("marketdata.mongo._databases", {})
    symbols = {code: registered(code) for code in (BTC, ETH)}
    client.force_login(get_user_model().objects.create_user("owner"))

    def get(bars: list[Bar] | None = None, **parameters: Any) -> dict[str, Any]:
        for bar in bars or []:
            BarRepository(mongo_database).save(symbols[bar.symbol].instrument(), Interval.H1, [bar])
        asked = {"symbols": BTC, "interval": "1h", "include_forming": "true"} | parameters
        answer = client.get("/api/v1/bars", asked)
        assert answer.status_code == 200, answer.content
        return dict(answer.json())

    return get


def told(answer: dict[str, Any]) -> list[tuple[int, str]]:
    """(hours ago, state) of each row."""
    return [((HOUR - datetime.fromisoformat(row["open_time"])) // timedelta(hours=1), row["state"]) for row in answer["bars"]]  # fmt: skip


def test_the_forming_bar_is_the_newest_row_and_says_that_it_is_forming(ask: Any) -> None:
    async_to_sync(watch)(BTC)
    async_to_sync(publish)(forming(close=102.25))
    answer = ask([stored(1), stored(2)])
    assert told(answer) == [(0, "forming"), (1, "final"), (2, "final")]
    row = answer["bars"][0]
    assert (row["open"], row["high"], row["low"], row["close"], row["volume"]) == (100.0, 103.5, 99.25, 102.25, 12.5)
    meta = answer["meta"]
    assert (meta["includes_forming"], meta["returned"], meta["notes"]) == (True, 3, [])
    assert meta["sources"] == {"history": 2}
    age = datetime.now(UTC) - datetime.fromisoformat(meta["freshness"][0]["forming_as_of"])
    assert timedelta() <= age < timedelta(seconds=30)


def test_without_asking_it_is_not_among_the_bars(ask: Any) -> None:
    async_to_sync(watch)(BTC)
    async_to_sync(publish)(forming())
    answer = ask([stored(1)], include_forming="false")
    assert (len(answer["bars"]), answer["meta"]["includes_forming"], "state" in answer["bars"][0]) == (1, False, False)


def test_its_state_is_told_even_if_other_fields_were_asked_for(ask: Any) -> None:
    async_to_sync(watch)(BTC)
    async_to_sync(publish)(forming())
    answer = ask([stored(1)], fields="close")
    assert answer["bars"] == [{"close": 102.0, "state": "forming"}, {"close": 101.0, "state": "final"}]


def test_what_has_closed_in_the_store_is_not_shown_as_forming(ask: Any) -> None:
    async_to_sync(watch)(BTC)
    async_to_sync(publish)(forming())
    assert told(ask([stored(0)])) == [(0, "final")]
    assert told(ask(order="asc", start="-1d")) == [(0, "final")]


def test_a_bar_whose_span_is_over_is_neither_forming_nor_closed(ask: Any) -> None:
    """The streamer died with it; only history can tell how it ended."""
    async_to_sync(watch)(BTC)
    async_to_sync(publish)(an_hour(1, state=BarState.FORMING))
    answer = ask([stored(2)])
    assert told(answer) == [(2, "final")]
    assert BTC in answer["meta"]["notes"][0]


def test_it_takes_part_in_ranges_limits_and_pages_like_any_bar(ask: Any, client: Client) -> None:
    async_to_sync(watch)(BTC, ETH)
    async_to_sync(publish)(forming(), forming(ETH), follows=(BTC, ETH))
    bars = [stored(1), stored(2), stored(1, ETH)]
    expected = [(0, ETH), (0, BTC), (1, ETH), (1, BTC), (2, BTC)]
    ask(bars)
    for order, start in (("desc", {}), ("asc", {"start": "-10h"}), ("asc", {})):
        pages, answer = [], ask(symbols=f"{BTC},{ETH}", order=order, limit=2, **start)
        while True:
            rows = [(ago, row["symbol"]) for (ago, _), row in zip(told(answer), answer["bars"], strict=True)]
            pages.append(rows)
            assert answer["meta"]["includes_forming"] == any(ago == 0 for ago, _ in rows)
            if answer["next"] is None:
                break
            answer = client.get(answer["next"]).json()
        pages = pages[::-1] if order == "asc" and not start else pages
        found = [row for page in pages for row in page]
        assert found == (expected if order == "desc" else expected[::-1])
    assert told(ask(end=HOUR.isoformat().replace("+00:00", "Z"))) == [(1, "final"), (2, "final")]


@pytest.mark.parametrize("name", ["csv", "ndjson"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_streamed_formats_carry_it_too(ask: Any, client: Client, name: str, order: str) -> None:
    async_to_sync(watch)(BTC)
    async_to_sync(publish)(forming())
    ask([stored(1)])
    asked = {"symbols": BTC, "interval": "1h", "include_forming": "1", "format": name, "order": order}
    lines = b"".join(client.get("/api/v1/bars", asked).streaming_content).decode().splitlines()
    states = ["forming" if "forming" in line else "final" for line in lines[name == "csv" :]]
    assert states == (["final", "forming"] if order == "asc" else ["forming", "final"])


def test_a_made_up_row_never_stands_for_the_bar_that_is_forming(ask: Any) -> None:
    async_to_sync(watch)(BTC)
    async_to_sync(publish)(forming())
    answer = ask([stored(3)], fill="ffill", order="asc")
    assert [row["filled"] for row in answer["bars"]][-1] is False
    assert told(answer)[-1] == (0, "forming")
    assert {row["state"] for row in answer["bars"] if row["filled"]} == {None}


def test_a_series_that_nobody_watched_is_watched_from_then_on_and_its_bar_is_waited_for(ask: Any) -> None:
    """What Redis holds of it may be minutes old."""
    async_to_sync(publish)(forming(close=100.5))
    with a_streamer(forming(close=102.75)):
        answer = ask()
    assert answer["bars"][0]["close"] == 102.75
    async_to_sync(publish)(forming(close=103.0))
    began = time.monotonic()
    assert ask()["bars"][0]["close"] == 103.0
    assert time.monotonic() - began < 0.4  # watched: no need to wait


def test_of_a_symbol_that_is_not_followed_none_is_waited_for(ask: Any) -> None:
    async_to_sync(publish)(follows=(ETH,))
    began = time.monotonic()
    answer = ask([stored(1)])
    assert time.monotonic() - began < 0.4
    assert (told(answer), answer["meta"]["includes_forming"]) == ([(1, "final")], False)
    assert BTC in answer["meta"]["notes"][0]


def test_without_redis_the_closed_bars_are_served_and_it_is_said(ask: Any, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9"  # the discard port: nobody listens
    answer = ask([stored(1)])
    assert (told(answer), answer["meta"]["includes_forming"]) == ([(1, "final")], False)
    assert "not available" in answer["meta"]["notes"][0]

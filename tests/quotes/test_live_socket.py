"""The live socket, between a real publisher and a browser, through a real Redis."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.db import SessionStore

from domain.interval import Interval
from quotes.consumers import LiveConsumer
from quotes.hub import Hub
from quotes.status import FeedState, Status
from tests.quotes.live import BTC, TEN, a_bar, a_browser, a_publisher, a_quote, registered

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def symbol(transactional_db: None) -> None:
    registered()
    registered("DEMO:ETHUSD")


async def test_a_subscriber_gets_the_present_state_then_updates(hub: Hub) -> None:
    async with a_publisher() as publisher, a_browser() as browser:
        publisher.status(BTC, Status(state=FeedState.LIVE, since=TEN))
        publisher.quote(a_quote(), watched=False)
        publisher.bar(a_bar(0), amended=False)
        publisher.forming(a_bar(1))
        await publisher.heartbeat([BTC])
        await publisher.flush()

        await browser.subscribe(BTC)
        snapshot = await browser.of_type("snapshot")
        assert (snapshot["epoch"], snapshot["seq"], snapshot["resync"]) == (1_000, 2, False)
        assert snapshot["status"]["state"] == "live"
        assert (snapshot["quote"]["last"], snapshot["quote"]["change_percent"]) == (101.0, 1.0)
        assert snapshot["bars"]["1m"]["open_time"] == "2026-03-02T10:01:00Z"
        assert [bar["open_time"] for bar in snapshot["closed"]["1m"]] == ["2026-03-02T10:00:00Z"]

        publisher.bar(a_bar(1), amended=False)
        await publisher.flush()
        closed = await browser.of_type("bar")
        assert (closed["state"], closed["seq"], closed["bar"]["open_time"]) == ("closed", 3, "2026-03-02T10:01:00Z")
        assert closed["bar"] == {
            "open_time": "2026-03-02T10:01:00Z", "close_time": "2026-03-02T10:02:00Z", "open": 100.0, "high": 103.5,
            "low": 99.25, "close": 101.0, "volume": 12.5, "trades": 7, "partial": False,
        }  # fmt: skip


async def test_a_snapshot_after_a_close_has_no_forming_bar_of_the_closed_minute(hub: Hub) -> None:
    async with a_publisher() as publisher, a_browser() as browser:
        publisher.forming(a_bar(1))
        await publisher.flush()
        publisher.bar(a_bar(1), amended=False)
        await publisher.flush()
        await browser.subscribe(BTC)
        snapshot = await browser.of_type("snapshot")
        assert snapshot["bars"] == {}
        assert snapshot["closed"]["1m"][0]["state"] == "closed"


async def test_an_amended_bar_replaces_the_closed_one_in_snapshots(hub: Hub) -> None:
    async with a_publisher() as publisher, a_browser() as browser:
        publisher.bar(a_bar(0, close=101), amended=False)
        publisher.bar(a_bar(1, close=101), amended=False)
        publisher.bar(a_bar(0, close=102), amended=True)
        await publisher.flush()
        await browser.subscribe(BTC)
        snapshot = await browser.of_type("snapshot")
        assert [(bar["close"], bar["state"]) for bar in snapshot["closed"]["1m"]] == [(102, "amended"), (101, "closed")]


async def test_closed_bars_of_every_interval_arrive_so_that_seq_has_no_holes(hub: Hub) -> None:
    async with a_publisher() as publisher, a_browser() as browser:
        await browser.subscribe(BTC, intervals=("1m",))
        await browser.of_type("snapshot")
        publisher.bar(a_bar(0), amended=False)
        publisher.bar(a_bar(0, interval=Interval.M5), amended=False)
        publisher.bar(a_bar(1), amended=False)
        await publisher.flush()
        seqs = [(await browser.of_type("bar"))["seq"] for _ in range(3)]
        assert seqs == [1, 2, 3]


async def test_forming_bars_of_other_intervals_and_symbols_stay_away(hub: Hub) -> None:
    async with a_publisher() as publisher, a_browser() as browser:
        await browser.subscribe(BTC, intervals=("5m",))
        await browser.of_type("snapshot")
        publisher.forming(a_bar(0))
        publisher.forming(a_bar(0, symbol="DEMO:ETHUSD"))
        await publisher.flush()
        publisher.forming(a_bar(0, interval=Interval.M5))
        await publisher.flush()
        message = await browser.of_type("bar")
        assert (message["symbol"], message["interval"], message["state"]) == (BTC, "5m", "forming")


async def test_after_unsubscribing_nothing_comes(hub: Hub) -> None:
    async with a_publisher() as publisher, a_browser() as browser:
        await browser.subscribe(BTC, "DEMO:ETHUSD")
        await browser.of_type("snapshot")
        await browser.of_type("snapshot")
        await browser.send(type="unsubscribe", symbols=[BTC])
        await browser.send(type="bogus")  # its answer shows that the request before it was carried out
        await browser.of_type("error")
        publisher.bar(a_bar(0), amended=False)
        publisher.bar(a_bar(0, symbol="DEMO:ETHUSD"), amended=False)
        await publisher.flush()
        assert (await browser.of_type("bar"))["symbol"] == "DEMO:ETHUSD"


async def test_a_heartbeat_tells_the_numbers_of_the_followed_symbols_only(hub: Hub) -> None:
    async with a_publisher() as publisher, a_browser() as browser:
        await browser.subscribe(BTC)
        await browser.of_type("snapshot")
        publisher.bar(a_bar(0), amended=False)
        await publisher.heartbeat([BTC, "DEMO:ETHUSD"])
        await publisher.flush()
        beat = await browser.of_type("heartbeat")
        assert (beat["epoch"], beat["seqs"]) == (1_000, {BTC: 1})


async def test_watched_series_are_known_to_the_streamer_while_somebody_looks(hub: Hub) -> None:
    async with a_publisher(), a_browser() as browser:
        await browser.subscribe(BTC, intervals=("1m", "1h"))
        await browser.of_type("snapshot")
        async with asyncio.timeout(5):
            while not {(BTC, "1m"), (BTC, "1h")} <= await hub.cache.watched():
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("{", "bad_json", None),
        ("[]", "bad_message", None),
        ('{"type":"shout"}', "unknown_type", "type"),
        ('{"type":"subscribe"}', "bad_symbol", "symbols"),
        ('{"type":"subscribe","symbols":["DEMO:BTCUSD",7]}', "bad_symbol", "symbols[1]"),
        ('{"type":"subscribe","symbols":["BTCUSD"]}', "bad_symbol", "symbols[0]"),
        ('{"type":"subscribe","symbols":["DEMO:BTCUSD","DEMO:NOPE"]}', "unknown_symbol", "symbols[1]"),
        ('{"type":"subscribe","symbols":["DEMO:BTCUSD"],"intervals":["1m","7m"]}', "bad_interval", "intervals[1]"),
        ('{"type":"subscribe","symbols":["DEMO:BTCUSD"],"intervals":"1m"}', "bad_interval", "intervals"),
        ('{"type":"ack","n":-1}', "bad_ack", "n"),
        ('{"type":"ack","n":5}', "bad_ack", "n"),
        ('{"type":"ack","n":true}', "bad_ack", "n"),
    ],
)
async def test_a_malformed_message_is_answered_with_the_place_and_changes_nothing(
    hub: Hub, text: str, code: str, field: str | None
) -> None:
    async with a_browser() as browser:
        await browser.communicator.send_to(text_data=text)
        error = await browser.next()
        assert (error["type"], error["code"], error["field"]) == ("error", code, field)
        await browser.subscribe(BTC)
        assert (await browser.next())["type"] == "snapshot"


async def test_a_binary_message_is_answered_with_an_error(hub: Hub) -> None:
    async with a_browser() as browser:
        await browser.communicator.send_to(bytes_data=b"\x00")
        assert (await browser.next())["code"] == "bad_message"


async def test_subscriptions_are_bounded(hub: Hub) -> None:
    def many() -> list[str]:
        return [registered(f"DEMO:S{number}").code for number in range(101)]

    codes = await sync_to_async(many)()
    async with a_browser() as browser:
        await browser.subscribe(*codes[:100], intervals=())
        for _ in range(100):
            assert (await browser.next())["type"] == "snapshot"
        await browser.ack()
        await browser.subscribe(codes[100])
        assert (await browser.next())["code"] == "too_many"


async def test_a_message_too_large_closes_the_connection(hub: Hub) -> None:
    async with a_browser() as browser:
        await browser.communicator.send_to(text_data=" " * (16 * 1024 + 1))
        assert await browser.close_code() == 4413


async def test_too_many_messages_close_the_connection(hub: Hub) -> None:
    async with a_browser() as browser:
        for _ in range(201):
            await browser.send(type="unsubscribe", symbols=[BTC])
        assert await browser.close_code() == 4429


async def test_without_a_session_the_connection_is_closed(hub: Hub) -> None:
    class Stranger:
        is_authenticated = False
        is_active = False

    async with a_browser(Stranger()) as browser:
        assert await browser.close_code() == 4401


async def test_a_symbol_that_nobody_streams_is_shown_as_offline_with_the_reason(hub: Hub) -> None:
    async with a_publisher() as publisher, a_browser() as browser:
        await browser.subscribe(BTC)
        assert (await browser.next())["status"]["reason"] == "no streamer is running"
        await publisher.heartbeat(["DEMO:ETHUSD"])
        await browser.send(type="unsubscribe", symbols=[BTC])
        await browser.subscribe(BTC)
        status = (await browser.of_type("snapshot"))["status"]
        assert (status["state"], status["reason"]) == ("offline", "this symbol is not being followed")


async def test_history_news_reach_those_who_follow_the_symbol(hub: Hub) -> None:
    async with a_publisher() as publisher, a_browser() as browser:
        await browser.subscribe(BTC)
        await browser.of_type("snapshot")
        publisher.history(BTC, "1h", TEN, TEN)
        await publisher.flush()
        news = await browser.of_type("history")
        assert news == {
            "type": "history", "symbol": BTC, "interval": "1h", "first": "2026-03-02T10:00:00Z",
            "last": "2026-03-02T10:00:00Z",
        }  # fmt: skip


async def test_every_message_is_compact_json(hub: Hub) -> None:
    async with a_browser() as browser:
        await browser.subscribe(BTC)
        text = await browser.communicator.receive_from(5)
        assert text == orjson.dumps(orjson.loads(text)).decode()


async def test_signing_out_ends_the_sockets_of_that_session_and_no_other(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LiveConsumer, "check_seconds", 0.05)
    mine, other = SessionStore(), SessionStore()
    await sync_to_async(mine.create)()
    await sync_to_async(other.create)()
    async with a_browser(session=mine) as browser, a_browser(session=other) as another:
        await another.subscribe(BTC)
        await another.of_type("snapshot")
        await sync_to_async(mine.delete)(mine.session_key)
        assert await browser.close_code() == 4401
        await another.send(type="subscribe", symbols=[BTC], intervals=["5m"])
        await another.of_type("snapshot")

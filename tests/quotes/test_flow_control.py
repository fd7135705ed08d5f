"""Slow and silent clients, and what is lost on the way: bounded, told, and mended."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from channels.layers import get_channel_layer

from pocketquant.embedded.paths import redis_url, run_dir
from pocketquant.embedded.sockets import wait_until_ready
from pocketquant.embedded.valkey import Valkey
from quotes import budget
from quotes.budget import MOST_BYTES, MOST_MESSAGES, Budget
from quotes.endings import end
from quotes.hub import Hub
from quotes.status import FeedState, Status
from tests.quotes.live import BTC, TEN, a_bar, a_browser, a_publisher, a_quote, hub_of_this_loop, registered


class TestBudget:
    def test_so_many_messages_may_be_unacknowledged(self) -> None:
        flow = Budget(0.0)
        assert [flow.take(10, 0.0) for _ in range(MOST_MESSAGES + 1)] == [True] * MOST_MESSAGES + [False]

    def test_so_many_bytes_may_be_unacknowledged(self) -> None:
        flow = Budget(0.0)
        assert flow.take(MOST_BYTES - 10, 0.0)
        assert not flow.take(11, 0.0)
        assert flow.take(10, 0.0)

    def test_a_single_message_larger_than_all_finds_an_empty_budget(self) -> None:
        assert Budget(0.0).take(10 * MOST_BYTES, 0.0)

    def test_an_acknowledgement_makes_room(self) -> None:
        flow = Budget(0.0)
        for _ in range(MOST_MESSAGES):
            flow.take(10, 0.0)
        flow.acknowledge(1, 0.0)
        assert flow.take(10, 0.0)
        assert not flow.take(10, 0.0)

    @pytest.mark.parametrize("count", [0, 3])
    def test_an_acknowledgement_of_less_than_before_or_more_than_was_sent_cannot_be(self, count: int) -> None:
        flow = Budget(0.0)
        flow.take(1, 0.0)
        flow.take(1, 0.0)
        flow.acknowledge(1, 0.0)
        with pytest.raises(ValueError, match="not between 1"):
            flow.acknowledge(count, 0.0)

    def test_it_is_overdue_ten_seconds_after_the_last_acknowledgement_while_something_waits(self) -> None:
        flow = Budget(0.0)
        assert not flow.is_overdue(100.0)
        flow.take(1, 100.0)
        flow.take(1, 105.0)
        assert not flow.is_overdue(110.0)
        assert flow.is_overdue(110.1)
        flow.acknowledge(1, 110.0)
        assert not flow.is_overdue(120.0)
        assert flow.is_overdue(120.1)
        flow.acknowledge(2, 121.0)
        assert not flow.is_overdue(1_000.0)


@pytest.fixture
def symbol(transactional_db: None) -> None:
    registered()


@pytest.mark.usefixtures("symbol")
async def test_a_client_that_falls_behind_gets_the_latest_of_what_may_be_skipped(hub: Hub) -> None:
    async with a_publisher() as publisher, a_browser() as browser:
        await browser.subscribe(BTC)
        await browser.next()
        for number in range(1_000):
            publisher.quote(a_quote(100.0 + number), watched=True)
            publisher.forming(a_bar(1, close=100.0 + number))
            await publisher.flush()
        prices = [(await browser.next())["type"] for _ in range(MOST_MESSAGES - 1)]
        assert await browser.communicator.receive_nothing(0.2)
        assert set(prices) == {"quote", "bar"}
        await browser.ack()
        latest = [await browser.next(), await browser.next()]
        assert {(one["type"], one.get("last") or one["bar"]["close"]) for one in latest} == {
            ("quote", 1_099.0),
            ("bar", 1_099.0),
        }
        assert await browser.communicator.receive_nothing(0.1)


@pytest.mark.usefixtures("symbol")
async def test_a_client_too_slow_for_what_may_not_be_lost_gets_the_state_anew(hub: Hub) -> None:
    async with a_publisher() as publisher, a_browser() as browser:
        await browser.subscribe(BTC)
        await browser.next()
        for minute in range(MOST_MESSAGES + 50):
            publisher.bar(a_bar(minute), amended=False)
        await publisher.flush()
        seqs = [(await browser.next())["seq"] for _ in range(MOST_MESSAGES - 1)]
        assert seqs == list(range(1, MOST_MESSAGES))  # those that came came in order and without a hole
        assert await browser.communicator.receive_nothing(0.2)
        await browser.ack()
        snapshot = await browser.next()
        assert (snapshot["type"], snapshot["resync"], snapshot["seq"]) == ("snapshot", True, MOST_MESSAGES + 50)
        publisher.bar(a_bar(1_000), amended=False)
        await publisher.flush()
        assert (await browser.next())["seq"] == MOST_MESSAGES + 51


@pytest.mark.usefixtures("symbol")
async def test_a_client_that_never_acknowledges_is_closed(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "PATIENCE_SECONDS", 0.5)
    async with a_publisher() as publisher, a_browser() as silent, a_browser() as other:
        await silent.subscribe(BTC)
        await other.subscribe(BTC)
        await other.next()
        await other.ack()
        assert await silent.close_code() == 4408
        publisher.bar(a_bar(0), amended=False)
        await publisher.flush()
        assert (await other.of_type("bar"))["seq"] == 1


@pytest.mark.usefixtures("symbol")
async def test_a_hub_that_missed_a_message_sends_the_state_anew(hub: Hub) -> None:
    async with a_publisher() as publisher, a_browser() as browser:
        await browser.subscribe(BTC)
        await browser.of_type("snapshot")
        publisher.bar(a_bar(0), amended=False)
        await publisher.flush()
        await browser.of_type("bar")
        publisher.bar(a_bar(1), amended=False)
        publisher._drop_all()  # as an outage between two messages does
        publisher.reachable = False
        publisher.bar(a_bar(2), amended=False)
        publisher.status(BTC, Status(state=FeedState.LIVE, since=TEN))
        await publisher.flush()
        snapshot = await browser.of_type("snapshot")
        assert (snapshot["resync"], snapshot["seq"]) == (True, 4)
        assert [bar["open_time"][11:16] for bar in snapshot["closed"]["1m"]] == ["10:00", "10:01", "10:02"]


@pytest.mark.usefixtures("symbol")
async def test_a_message_that_the_hub_cannot_read_interrupts_nobody_for_long(hub: Hub) -> None:
    async with a_publisher() as publisher, a_browser() as browser:
        await browser.subscribe(BTC)
        await browser.of_type("snapshot")
        await get_channel_layer().group_send("live.0", {"type": "live", "k": "from another version"})
        assert (await browser.of_type("status"))["state"] == "stale"
        assert (await browser.of_type("snapshot"))["resync"]
        publisher.bar(a_bar(0), amended=False)
        await publisher.flush()
        assert (await browser.of_type("bar"))["seq"] == 1


@pytest.mark.usefixtures("symbol")
async def test_a_silent_streamer_is_shown_as_stale(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quotes.silence.SILENT_STALE_SECONDS", 0.5)
    async with a_publisher() as publisher, a_browser() as browser:
        await publisher.heartbeat([BTC])
        publisher.status(BTC, Status(state=FeedState.LIVE, since=TEN))
        await publisher.flush()
        await browser.subscribe(BTC)
        assert (await browser.of_type("snapshot"))["status"]["state"] == "live"
        status = await browser.of_type("status")
        assert (status["state"], status["reason"]) == ("stale", "the streamer has fallen silent")
        await publisher.heartbeat([BTC])
        await publisher.flush()
        assert (await browser.of_type("snapshot"))["status"]["state"] == "live"


@pytest.mark.usefixtures("symbol")
async def test_a_symbol_that_the_streamer_takes_up_later_does_not_stay_offline(hub: Hub) -> None:
    async with a_publisher() as publisher, a_browser() as browser:
        publisher.status(BTC, Status(state=FeedState.LIVE, since=TEN))
        await publisher.flush()
        await browser.subscribe(BTC)
        assert (await browser.of_type("snapshot"))["status"]["reason"] == "no streamer is running"
        await publisher.heartbeat([BTC])
        await publisher.flush()
        assert (await browser.of_type("snapshot"))["status"]["state"] == "live"


@pytest.mark.usefixtures("symbol")
async def test_a_symbol_that_is_no_longer_followed_is_not_taken_for_a_silent_streamer(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quotes.silence.SILENT_STALE_SECONDS", 1.5)
    async with a_publisher() as publisher, a_browser() as browser:
        publisher.status(BTC, Status(state=FeedState.LIVE, since=TEN))
        await publisher.heartbeat([BTC])
        await publisher.flush()
        await browser.subscribe(BTC)
        assert (await browser.of_type("snapshot"))["status"]["state"] == "live"

        async def follow_others() -> None:
            while True:
                await publisher.heartbeat(["DEMO:ETHUSD"])
                await publisher.flush()
                await asyncio.sleep(0.2)

        beating = asyncio.create_task(follow_others())
        status = await browser.of_type("status")
        assert (status["state"], status["reason"]) == ("offline", "this symbol is not being followed")
        await end([beating])


@pytest.mark.usefixtures("symbol")
async def test_a_proof_that_breaks_is_begun_again(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_browser() as browser:
        await browser.subscribe(BTC)
        await browser.of_type("snapshot")
        probe = hub._subscription._probe

        async def break_once() -> str:
            monkeypatch.setattr(hub._subscription, "_probe", probe)
            raise RuntimeError("a defect")

        monkeypatch.setattr(hub._subscription, "_probe", break_once)
        told = await browser.of_type("status")
        assert (told["state"], told["reason"]) == ("stale", "live messages are interrupted: RuntimeError: a defect")
        assert (await browser.of_type("snapshot"))["resync"]


@pytest.mark.usefixtures("symbol")
async def test_a_state_that_cannot_be_read_ends_the_connection_rather_than_hanging_it(hub: Hub) -> None:
    async with a_browser() as browser:
        await hub.cache.redis.hset(f"state:{BTC}", "epoch", "no number")
        await browser.subscribe(BTC)
        assert await browser.close_code() == 1011


@pytest.mark.usefixtures("symbol")
async def test_browsers_recover_from_a_restart_of_redis(settings: Any, tmp_path: Path) -> None:
    valkey = Valkey(run=run_dir(tmp_path), log=tmp_path / "valkey.log")
    valkey.start()
    wait_until_ready(valkey)
    url = redis_url(tmp_path)
    settings.REDIS_URL = url
    layer = settings.CHANNEL_LAYERS["default"]
    host = {"address": f"{url}?db=2", "socket_timeout": None}
    settings.CHANNEL_LAYERS = {"default": {**layer, "CONFIG": {**layer["CONFIG"], "hosts": [host]}}}
    try:
        async with hub_of_this_loop(), a_publisher() as publisher, a_browser() as browser:
            task = asyncio.create_task(publisher.run())
            await publisher.heartbeat([BTC])
            publisher.status(BTC, Status(state=FeedState.LIVE, since=TEN))
            publisher.bar(a_bar(0), amended=False)
            await browser.subscribe(BTC)
            await browser.until(lambda one: one["type"] in ("snapshot", "bar") and one["seq"] == 2)
            await asyncio.to_thread(valkey.stop)
            interrupted = await browser.until(lambda one: one["type"] == "status" and one["state"] != "live")
            assert (interrupted["state"], interrupted["reason"][:29]) == ("stale", "live messages are interrupted")
            publisher.bar(a_bar(1), amended=False)  # closed while Redis is away
            await asyncio.to_thread(valkey.start)
            await asyncio.to_thread(wait_until_ready, valkey)
            snapshot = await browser.until(lambda one: one["type"] == "snapshot" and one["seq"] == 3)
            # Live at once, though the next heartbeat is seconds away and nothing has changed that would be told.
            assert (snapshot["resync"], snapshot["status"]["state"]) == (True, "live")
            publisher.bar(a_bar(2), amended=False)
            assert (await browser.of_type("bar"))["seq"] == 4
            await end([task])
    finally:
        valkey.stop()

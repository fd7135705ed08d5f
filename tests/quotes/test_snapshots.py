"""What a newcomer reads, from a real Redis, while the streamer writes there."""

from __future__ import annotations

import asyncio

import orjson

from quotes.cache import LiveCache
from quotes.snapshots import SnapshotReader
from quotes.status import FeedState, Status
from tests.quotes.live import BTC, TEN, a_bar, a_publisher


async def test_a_picture_is_never_older_than_the_messages_that_browsers_have(redis_client: object) -> None:
    heads = {BTC: (1_000, 2)}  # a heartbeat said so, and browsers drop what is older
    cache = LiveCache()
    reader = SnapshotReader(cache, head=lambda symbol: heads[symbol])
    async with a_publisher() as publisher:
        publisher.status(BTC, Status(state=FeedState.LIVE, since=TEN))
        await publisher.heartbeat([BTC])
        await publisher.flush()
        asked = asyncio.create_task(reader.read(BTC, frozenset(), resync=True))
        done, _ = await asyncio.wait([asked], timeout=0.2)
        assert not done

        publisher.bar(a_bar(0), amended=False)
        await publisher.flush()
        snapshot = orjson.loads((await asked).payload)
    assert (snapshot["epoch"], snapshot["seq"], snapshot["status"]["state"]) == (1_000, 2, "live")
    await cache.close()


async def test_redis_that_stays_behind_is_told_as_it_is_within_seconds(redis_client: object) -> None:
    cache = LiveCache()
    reader = SnapshotReader(cache, head=lambda _symbol: (1_000, 2))
    async with asyncio.timeout(5):
        snapshot = orjson.loads((await reader.read(BTC, frozenset(), resync=True)).payload)
    assert snapshot["status"]["state"] == "offline"
    await cache.close()

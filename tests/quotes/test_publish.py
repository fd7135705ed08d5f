"""What is sent and what is written, in which order, through a real Redis."""

from __future__ import annotations

import asyncio

import pytest
from channels.layers import get_channel_layer

from quotes.cache import Changes, LiveCache
from quotes.hub import Hub
from quotes.publish import Publisher
from quotes.status import FeedState, Status
from tests.quotes.live import BTC, TEN, a_bar, a_browser, a_quote, registered

pytestmark = pytest.mark.django_db(transaction=True)


class Meanwhile(LiveCache):
    """While it writes, ``happens`` happens: once."""

    happens = staticmethod(lambda: None)

    async def write(self, changes: Changes) -> None:
        await super().write(changes)
        happens, self.happens = self.happens, lambda: None
        happens()


async def test_what_a_browser_is_told_is_in_redis_before_so_no_snapshot_is_older(hub: Hub) -> None:
    await asyncio.to_thread(registered)
    cache = Meanwhile()
    publisher = Publisher(cache=cache, layer=get_channel_layer(), epoch=1_000)

    def happens() -> None:
        publisher.bar(a_bar(0), amended=False)
        publisher.quote(a_quote(), watched=True)

    async with a_browser() as browser:
        await browser.subscribe(BTC)
        await browser.of_type("snapshot")
        cache.happens = happens
        publisher.status(BTC, Status(state=FeedState.LIVE, since=TEN))
        publisher.quote(a_quote(100.0), watched=True)
        await publisher.flush()
        seen = [await browser.next(), await browser.next()]
        assert [(message["type"], message["seq"]) for message in seen] == [("status", 1), ("quote", 1)]
        _, stored = await cache.read({BTC: []})
        assert stored[BTC].seq == 1

        await publisher.flush()
        seen = [await browser.next(), await browser.next()]
        assert [(message["type"], message["seq"]) for message in seen] == [("bar", 2), ("quote", 2)]
        _, stored = await cache.read({BTC: []})
        assert stored[BTC].seq == 2
    await cache.close()

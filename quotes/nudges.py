"""Nudges: "look now" from any process to the streamer, through Redis. One that is lost costs the next look's wait."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import redis
import redis.asyncio

from quotes.cache import NUDGES, RedisError, live_redis_url

NUDGE_WATCH, NUDGE_SYMBOLS = "watch", "symbols"  # who looks at what changed; who is to be followed changed


async def listen(events: Mapping[str, asyncio.Event]) -> None:
    """Set the event that a nudge names, until cancelled; after each (re)connection all, since some may be lost."""
    while True:
        try:
            async with redis.asyncio.Redis.from_url(live_redis_url(), socket_timeout=None) as client:
                pubsub = client.pubsub()
                await pubsub.subscribe(NUDGES)
                for event in events.values():
                    event.set()
                async for message in pubsub.listen():
                    if message["type"] == "message" and (named := events.get(message["data"].decode())):
                        named.set()
        except (RedisError, OSError):
            await asyncio.sleep(1)


def nudge_streamer(what: str) -> None:
    """Ask the streamer, from any process, to look at ``what`` now. Raises RedisError."""
    with redis.Redis.from_url(live_redis_url(), socket_timeout=1, socket_connect_timeout=1) as client:
        client.publish(NUDGES, what)

"""Live state in Redis: what may vanish. Quotes, forming bars, statuses, the streamer's pulse, and who watches what.

Keys (database 0), all with an expiry that bounds garbage; staleness is computed from ``as_of``, not implied by absence:

    quote:<symbol>     the latest quote's fields, JSON                                     60 s
    forming:<symbol>   hash: interval -> bar fields with state, JSON                       300 s
    state:<symbol>     hash: epoch, seq, status (JSON), closed.<interval> (JSON array)     300 s
    streamer           the pulse of the streamer: epoch, time, symbols (JSON)              300 s
    watch:series       sorted set: "<symbol> <interval>" scored with the epoch second until which it is watched
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson
import redis
import redis.asyncio
from django.conf import settings

QUOTE_SECONDS = 60
STATE_SECONDS = 300
WATCH_SECONDS = 20  # renewed by web processes each 5 s
STREAMER = "streamer"
WATCHED = "watch:series"
NUDGES = "quotes:nudge"  # pub/sub: "watch" or "symbols" asks the streamer to look at once

RedisError = redis.RedisError


def live_redis_url() -> str:
    """Redis database 0 of the configured server."""
    url = str(settings.REDIS_URL)
    return f"{url}?db=0" if url.startswith("unix:") else f"{url.rstrip('/')}/0"


class Pulse(NamedTuple):
    """What the streamer last said of itself: its run, when (epoch seconds), and whom it follows."""

    epoch: int
    time: float
    symbols: frozenset[str]


class Stored(NamedTuple):
    """What Redis knows of a symbol, JSON texts as they were written; None where it knows nothing."""

    epoch: int
    seq: int
    status: bytes | None
    quote: bytes | None
    forming: dict[str, bytes]
    closed: dict[str, bytes]


class LiveCache:
    """One connection pool to database 0, for the event loop it is used in."""

    def __init__(self, url: str | None = None) -> None:
        # Short timeouts: whoever waits here holds up live messages. Retries are the callers', with their own state.
        self.redis: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
            url or live_redis_url(), socket_timeout=3, socket_connect_timeout=2, retry=None
        )

    async def close(self) -> None:
        await self.redis.aclose()

    # What the streamer writes

    async def write(self, changes: Changes) -> None:
        """All of ``changes`` in one round trip."""
        pipe = self.redis.pipeline(transaction=False)
        for symbol, fields in changes.state.items():
            pipe.hset(f"state:{symbol}", mapping=fields)
            pipe.expire(f"state:{symbol}", STATE_SECONDS)
        for symbol, intervals in changes.ended.items():
            pipe.hdel(f"forming:{symbol}", *intervals)
        for symbol, text in changes.quotes.items():
            pipe.set(f"quote:{symbol}", text, ex=QUOTE_SECONDS)
        for symbol, bars in changes.forming.items():
            pipe.hset(f"forming:{symbol}", mapping=bars)
            pipe.expire(f"forming:{symbol}", STATE_SECONDS)
        await pipe.execute()

    async def beat(self, pulse: Pulse) -> None:
        """Say that the streamer lives, and keep alive what it keeps current."""
        pipe = self.redis.pipeline(transaction=False)
        body = {"epoch": pulse.epoch, "time": pulse.time, "symbols": sorted(pulse.symbols)}
        pipe.set(STREAMER, orjson.dumps(body), ex=STATE_SECONDS)
        for symbol in pulse.symbols:
            pipe.expire(f"quote:{symbol}", QUOTE_SECONDS)
            pipe.expire(f"forming:{symbol}", STATE_SECONDS)
            pipe.expire(f"state:{symbol}", STATE_SECONDS)
        await pipe.execute()

    async def forget(self, symbols: Iterable[str]) -> None:
        """Remove what is known of symbols that are no longer followed."""
        keys = [f"{kind}:{symbol}" for symbol in symbols for kind in ("quote", "forming", "state")]
        if keys:
            await self.redis.delete(*keys)

    async def watched(self) -> set[tuple[str, str]]:
        """The (symbol, interval) pairs that somebody looks at now."""
        now = time.time()
        await self.redis.zremrangebyscore(WATCHED, "-inf", now)
        members: Any = await self.redis.zrange(WATCHED, 0, -1)  # bytes: nothing is decoded, no scores asked
        return {(symbol, interval) for symbol, _, interval in (m.decode().rpartition(" ") for m in members)}

    # What web processes write and read

    async def watch(self, series: Iterable[tuple[str, str]], *, nudge: bool) -> None:
        """Keep ``series`` watched for the next seconds; ``nudge`` tells the streamer at once."""
        until = time.time() + WATCH_SECONDS
        scores = {f"{symbol} {interval}": until for symbol, interval in series}
        pipe = self.redis.pipeline(transaction=False)
        if scores:
            pipe.zadd(WATCHED, scores)
            pipe.expire(WATCHED, 2 * WATCH_SECONDS)
        if nudge:
            pipe.publish(NUDGES, "watch")
        await pipe.execute()

    async def read(self, wanted: Mapping[str, Iterable[str]]) -> tuple[Pulse | None, dict[str, Stored]]:
        """The streamer's pulse, and for each symbol what is stored of it with the bars of the wanted intervals."""
        pipe = self.redis.pipeline(transaction=False)
        pipe.get(STREAMER)
        order = [(symbol, list(intervals)) for symbol, intervals in wanted.items()]
        for symbol, intervals in order:
            pipe.hmget(f"state:{symbol}", ["epoch", "seq", "status", *(f"closed.{i}" for i in intervals)])
            pipe.get(f"quote:{symbol}")
            pipe.hmget(f"forming:{symbol}", intervals or ["-"])
        answers = iter(await pipe.execute())
        pulse = _pulse(next(answers))
        stored = {symbol: _stored(intervals, *_next_three(answers)) for symbol, intervals in order}
        return pulse, stored


class Changes:
    """What is to be written to Redis together."""

    def __init__(self) -> None:
        self.state: dict[str, dict[Any, Any]] = {}
        self.ended: dict[str, set[str]] = {}
        self.quotes: dict[str, bytes] = {}
        self.forming: dict[str, dict[Any, Any]] = {}

    def __bool__(self) -> bool:
        return bool(self.state or self.ended or self.quotes or self.forming)


def _next_three(answers: Any) -> tuple[Any, Any, Any]:
    return next(answers), next(answers), next(answers)


def _pulse(text: bytes | None) -> Pulse | None:
    if text is None:
        return None
    body = orjson.loads(text)
    return Pulse(body["epoch"], body["time"], frozenset(body["symbols"]))


def _stored(intervals: list[str], state: list[bytes | None], quote: bytes | None, bars: list[bytes | None]) -> Stored:
    epoch, seq, status, *closed = state
    return Stored(
        epoch=int(epoch or 0),
        seq=int(seq or 0),
        status=status,
        quote=quote,
        forming={i: text for i, text in zip(intervals, bars, strict=False) if text is not None},
        closed={i: text for i, text in zip(intervals, closed, strict=True) if text is not None},
    )

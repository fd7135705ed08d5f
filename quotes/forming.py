"""Forming bars for those who ask over HTTP: read from Redis, where the streamer keeps those that are watched."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
import redis

from domain.bar import Bar, BarSource, BarState
from domain.errors import StoreUnavailable
from domain.instrument import Instrument
from domain.interval import Interval
from quotes.cache import NUDGES, STREAMER, WATCH_SECONDS, WATCHED, live_redis_url
from quotes.nudges import NUDGE_WATCH
from quotes.snapshots import SILENT_STALE_SECONDS

_ANSWER_SECONDS = 0.5  # the streamer shows the bars of a series that is newly watched within a flush of its publisher
_LOOK_SECONDS = 0.02


def read_forming(instruments: Sequence[Instrument], interval: Interval) -> dict[str, tuple[Bar, datetime]]:
    """By symbol: the forming bar as the streamer last knew it, and when. Raises StoreUnavailable.

    Only watched series are kept current, so asking is watching: for the next seconds the streamer keeps them so, and
    what was not watched before is waited for, half a second at most.
    """
    try:
        with _client() as client:
            asked_at = time.time()
            names = [instrument.symbol for instrument in instruments]
            awaited = _watch(client, names, interval) & _followed(client)
            found = _read(client, names, interval)
            while awaited and time.time() < asked_at + _ANSWER_SECONDS:
                awaited -= {symbol for symbol, (_, as_of) in found.items() if as_of.timestamp() >= asked_at}
                if awaited:
                    time.sleep(_LOOK_SECONDS)
                    found |= _read(client, sorted(awaited), interval)
            # What was known of an unwatched series may be long out of date.
            return {symbol: known for symbol, known in found.items() if symbol not in awaited}
    except (redis.RedisError, OSError) as error:
        raise StoreUnavailable(f"live state is not available: {error}") from error


def _client() -> redis.Redis:
    return redis.Redis.from_url(live_redis_url(), socket_timeout=1, socket_connect_timeout=1)


def _watch(client: redis.Redis, symbols: Sequence[str], interval: Interval) -> set[str]:
    """Keep these series watched for a while; which of them were not before."""
    now = time.time()
    members = [f"{symbol} {interval.value}" for symbol in symbols]
    pipe = client.pipeline(transaction=False)
    pipe.zmscore(WATCHED, members)
    pipe.zadd(WATCHED, dict.fromkeys(members, now + WATCH_SECONDS), gt=True)
    pipe.expire(WATCHED, 2 * WATCH_SECONDS)
    scores, *_ = pipe.execute()
    new = {symbol for symbol, score in zip(symbols, scores, strict=True) if score is None or score < now}
    if new:
        client.publish(NUDGES, NUDGE_WATCH)
    return new


def _followed(client: redis.Redis) -> set[str]:
    """The symbols that a living streamer follows."""
    text: Any = client.get(STREAMER)
    if text is None:
        return set()
    pulse = orjson.loads(text)
    return set(pulse["symbols"]) if pulse["time"] > time.time() - SILENT_STALE_SECONDS else set()


def _read(client: redis.Redis, symbols: Sequence[str], interval: Interval) -> dict[str, tuple[Bar, datetime]]:
    pipe = client.pipeline(transaction=False)
    for symbol in symbols:
        pipe.hget(f"forming:{symbol}", interval.value)
    texts = pipe.execute()
    return {
        symbol: _parse(symbol, interval, orjson.loads(text))
        for symbol, text in zip(symbols, texts, strict=True)
        if text is not None
    }


def _parse(symbol: str, interval: Interval, fields: dict[str, Any]) -> tuple[Bar, datetime]:
    opens = datetime.fromisoformat(fields["open_time"])
    bar = Bar(
        symbol=symbol,
        interval=interval,
        open_time=opens,
        starts_at=opens,  # not kept there; nobody here asks for it
        close_time=datetime.fromisoformat(fields["close_time"]),
        state=BarState.FORMING,
        source=BarSource.STREAM,
        **{name: fields[name] for name in ("open", "high", "low", "close", "volume", "trades", "partial")},
    )
    return bar, datetime.fromisoformat(fields["as_of"])

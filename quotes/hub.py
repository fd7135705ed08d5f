"""One listener a web process: the channel layer in, many sockets out.

A channel-layer subscription a client would decode and dispatch each message once a client. The hub joins the
few shard groups once, and hands every message, as the publisher encoded it, to those who follow its symbol.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any

import orjson
import structlog
from channels.layers import get_channel_layer

from quotes import messages
from quotes.audience import Audience, Listener
from quotes.cache import LiveCache, RedisError
from quotes.endings import end
from quotes.envelope import shard_of
from quotes.outlet import Message
from quotes.registered import Registered
from quotes.silence import Silence
from quotes.snapshots import SnapshotReader
from quotes.subscription import ShardSubscription

_TICK_SECONDS = 1.0
_WATCH_EVERY_SECONDS = 5.0
_BATCH = 32  # messages handed on before sockets are written and acknowledgements get their turn

log = structlog.get_logger(__name__)


class Hub:
    """Passes messages on to its ``audience``. Lives as long as its event loop."""

    def __init__(self, *, layer: Any, cache: LiveCache, clock: Callable[[], float] = time.monotonic) -> None:
        self.cache, self.registered, self._clock = cache, Registered(), clock
        self._silence = Silence(self._say, clock)
        self.snapshots = SnapshotReader(cache, on_silent=self._silence.was_told)
        self._watch_due = asyncio.Event()
        self.audience = Audience(
            on_watch=self._watch_due.set, on_follow=self._silence.follow, on_unfollow=self._silence.unfollow
        )
        self._subscription = ShardSubscription(layer, on_lost=self._lost, on_proved=self._proved)
        self._dirty: set[Listener] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._loop = asyncio.get_running_loop()

    async def ready(self, timeout_seconds: float) -> bool:
        """Start if need be; whether the subscription is proved within the time."""
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._forever(part)) for part in (self._pump, self._ticks, self._keep_watching)
            ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._subscription.proved.wait()
        return self._subscription.proved.is_set()

    async def _pump(self) -> None:
        await self._subscription.run(self._take, batch=_BATCH, after_batch=self._flush)

    async def _forever(self, part: Callable[[], Awaitable[None]]) -> None:
        """A defect in a part must not leave browsers looking at a picture that stands still."""
        while True:
            try:
                await part()
            except Exception as error:
                log.exception("hub_part_failed", part=part.__qualname__)
                self._subscription.doubt(f"{type(error).__name__}: {error}")
            await asyncio.sleep(_TICK_SECONDS)

    async def close(self) -> None:
        """End all tasks and connections to Redis."""
        await end(self._tasks)
        self._tasks.clear()
        self.snapshots.close()
        await self.cache.close()

    def add(self, listener: Listener) -> None:
        self.audience.add(listener)

    def remove(self, listener: Listener) -> None:
        self.audience.remove(listener)
        self._dirty.discard(listener)

    # Messages in

    def _take(self, body: dict[str, Any]) -> None:
        """Hand on one message of the channel layer."""
        kind, symbol = body["k"], body["s"]
        if kind == "heartbeat":
            self._take_heartbeat(body)
            return
        audience = self.audience
        if kind == "forming" or kind == "quote":
            key = symbol, body["i"] or "quote"
            listeners = audience.watchers.get(key)
            if listeners:
                message = audience.latest[key] = Message(body["t"], symbol, key)
                self._hand_out(message, listeners)
            return
        followers = audience.followers.get(symbol)
        if followers:
            if body["q"]:
                self._silence.numbered(symbol, body["e"], body["q"])
            if kind == "bar":
                audience.latest.pop((symbol, body["i"]), None)
            self._hand_out(Message(body["t"], symbol), followers)

    def _hand_out(self, message: Message, listeners: Iterable[Listener]) -> None:
        if not self._dirty:
            self._loop.call_soon(self._flush)
        for listener in listeners:
            listener.deliver(message)
        self._dirty.update(listeners)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, set()
        for listener in dirty:
            listener.flush()

    def _take_heartbeat(self, body: dict[str, Any]) -> None:
        beat = orjson.loads(body["t"])
        epoch, seqs, told = body["e"], beat["seqs"], datetime.fromisoformat(beat["time"])
        self._resnapshot(self._silence.beat(epoch, seqs))
        made: dict[frozenset[str], Message] = {}
        for listener in self.audience.listeners:
            mine = frozenset(symbol for symbol in listener.symbols if symbol in seqs)
            if not mine:
                continue
            message = made.get(mine)
            if message is None:
                text = messages.heartbeat_message(epoch, {symbol: seqs[symbol] for symbol in sorted(mine)}, told)
                message = made[mine] = Message(text, "", ("", f"heartbeat {epoch} {shard_of(next(iter(mine)))}"))
            self._hand_out(message, (listener,))

    # Losses

    def _lost(self, reason: str) -> None:
        """The subscription is down: say so of every symbol that is followed."""
        log.warning("live_messages_interrupted", reason=reason)
        self._silence.interrupted(list(self.audience.followers), reason)

    def _proved(self, shards: set[int]) -> None:
        """Messages of ``shards`` may have been missed; from here on they arrive."""
        back = [symbol for symbol in self.audience.followers if shard_of(symbol) in shards]
        self._silence.over(back)
        self._resnapshot(back)
        self._watch_due.set()

    def _resnapshot(self, symbols: Iterable[str]) -> None:
        wanted = set(symbols)
        if wanted:
            for listener in list(self.audience.listeners):
                listener.resnapshot(wanted & listener.symbols.keys())

    def _say(self, symbol: str, text: bytes) -> None:
        self._hand_out(Message(text, symbol, (symbol, "status")), self.audience.followers[symbol])

    # Clocks

    async def _ticks(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = self._clock()
            for listener in list(self.audience.listeners):
                listener.tick(now)
            if self._subscription.proved.is_set():
                self._silence.check()

    async def _keep_watching(self) -> None:
        """Keep the watched series in Redis alive, new ones at once."""
        while True:
            with contextlib.suppress(TimeoutError):  # not wait_for: on 3.11 it may swallow a cancellation
                async with asyncio.timeout(_WATCH_EVERY_SECONDS):
                    await self._watch_due.wait()
            nudge = self._watch_due.is_set()
            self._watch_due.clear()
            with contextlib.suppress(RedisError, OSError):  # the probe reports it, and this is tried again
                await self.cache.watch(list(self.audience.watchers), nudge=nudge)
            await asyncio.sleep(0.02)  # a page that subscribes to many series makes one round trip


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


def current_hub() -> Hub:
    """The hub of the running event loop, made at first use."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub(layer=get_channel_layer(), cache=LiveCache())
    return hub

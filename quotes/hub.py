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
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
import structlog
from channels.layers import get_channel_layer

from quotes import messages
from quotes.cache import LiveCache, RedisError
from quotes.endings import end
from quotes.envelope import shard_of
from quotes.outlet import Message
from quotes.registered import Registered
from quotes.snapshots import SILENT_OFFLINE_SECONDS, SILENT_STALE_SECONDS, SnapshotReader
from quotes.status import FeedState, Status
from quotes.subscription import ShardSubscription

_TICK_SECONDS = 1.0
_WATCH_EVERY_SECONDS = 5.0
_BATCH = 32  # messages handed on before sockets are written and acknowledgements get their turn

log = structlog.get_logger(__name__)


class Listener(Protocol):
    """A connection, as the hub sees it. None of these waits."""

    symbols: dict[str, set[str]]  # symbol -> intervals whose forming bars are wanted

    def deliver(self, message: Message) -> None: ...
    def flush(self) -> None: ...
    def resnapshot(self, symbols: Iterable[str]) -> None: ...
    def tick(self, now: float) -> None: ...


class Hub:
    """Knows who follows what, and passes messages on. Lives as long as its event loop."""

    def __init__(self, *, layer: Any, cache: LiveCache, clock: Callable[[], float] = time.monotonic) -> None:
        self.cache, self.snapshots, self.registered = cache, SnapshotReader(cache), Registered()
        self._clock = clock
        self._subscription = ShardSubscription(layer, on_lost=self._lost, on_proved=self._proved)
        self._listeners: set[Listener] = set()
        self._followers: dict[str, set[Listener]] = {}
        self._watchers: dict[tuple[str, str], set[Listener]] = {}
        self._latest: dict[tuple[str, str], Message] = {}
        self._heard: dict[str, float] = {}
        self._silent: dict[str, FeedState] = {}
        self._heads: dict[str, tuple[int, int]] = {}  # symbol -> (epoch, seq) of its last message
        self._dirty: set[Listener] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._watch_due = asyncio.Event()
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

    # Who follows what

    def add(self, listener: Listener) -> None:
        self._listeners.add(listener)

    def remove(self, listener: Listener) -> None:
        self.leave(listener, {symbol: set(intervals) for symbol, intervals in listener.symbols.items()})
        for symbol in list(listener.symbols):
            self._drop(symbol, listener)
        self._listeners.discard(listener)
        self._dirty.discard(listener)

    def join(self, listener: Listener, symbol: str, intervals: Iterable[str]) -> None:
        """From now on ``listener`` gets what is said of ``symbol``, and its forming bars of ``intervals``."""
        if symbol not in self._followers:
            self._heard.setdefault(symbol, self._clock())
        self._followers.setdefault(symbol, set()).add(listener)
        for interval in intervals:
            watchers = self._watchers.setdefault((symbol, interval), set())
            if not watchers:
                self._watch_due.set()
            watchers.add(listener)
        self._watchers.setdefault((symbol, "quote"), set()).add(listener)
        self._watch_due.set()

    def leave(self, listener: Listener, series: dict[str, set[str]]) -> None:
        """No more forming bars of these series."""
        for symbol, intervals in series.items():
            for interval in intervals:
                self._unwatch((symbol, interval), listener)

    def drop(self, listener: Listener, symbol: str, intervals: Iterable[str]) -> None:
        """Nothing more about ``symbol`` at all."""
        self.leave(listener, {symbol: set(intervals)})
        self._drop(symbol, listener)

    def latest(self, symbol: str, intervals: Iterable[str]) -> list[Message]:
        """The newest quote and forming bars that passed here: Redis holds them up to a quarter of a second later."""
        keys = [(symbol, "quote"), *((symbol, interval) for interval in intervals)]
        return [self._latest[key] for key in keys if key in self._latest]

    def _drop(self, symbol: str, listener: Listener) -> None:
        self._unwatch((symbol, "quote"), listener)
        followers = self._followers.get(symbol, set())
        followers.discard(listener)
        if not followers:
            self._followers.pop(symbol, None)
            self._silent.pop(symbol, None)
            self._heard.pop(symbol, None)
            self._heads.pop(symbol, None)

    def _unwatch(self, key: tuple[str, str], listener: Listener) -> None:
        watchers = self._watchers.get(key)
        if watchers is not None:
            watchers.discard(listener)
            if not watchers:
                del self._watchers[key]
                self._latest.pop(key, None)

    # Messages in

    def _take(self, body: dict[str, Any]) -> None:
        """Hand on one message of the channel layer."""
        kind, symbol = body["k"], body["s"]
        if kind == "heartbeat":
            self._take_heartbeat(body)
            return
        if kind == "forming" or kind == "quote":
            key = symbol, body["i"] or "quote"
            listeners = self._watchers.get(key)
            if listeners:
                message = self._latest[key] = Message(body["t"], symbol, key)
                self._hand_out(message, listeners)
            return
        followers = self._followers.get(symbol)
        if followers:
            if body["q"]:
                self._heads[symbol] = body["e"], body["q"]
            if kind == "bar":
                self._latest.pop((symbol, body["i"]), None)
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
        seqs: dict[str, int] = beat["seqs"]
        now = self._clock()
        for symbol in seqs:
            if symbol in self._followers:
                self._heard[symbol] = now
                self._heads[symbol] = body["e"], seqs[symbol]
        back = [symbol for symbol in seqs if self._silent.pop(symbol, None)]
        self._resnapshot(back)
        time_text = datetime.fromisoformat(beat["time"])
        made: dict[frozenset[str], Message] = {}
        for listener in self._listeners:
            mine = frozenset(symbol for symbol in listener.symbols if symbol in seqs)
            if not mine:
                continue
            message = made.get(mine)
            if message is None:
                text = messages.heartbeat_message(
                    body["e"], {symbol: seqs[symbol] for symbol in sorted(mine)}, time_text
                )
                message = made[mine] = Message(text, "", ("", f"heartbeat {body['e']} {shard_of(next(iter(mine)))}"))
            self._hand_out(message, (listener,))

    # Losses

    def _lost(self, reason: str) -> None:
        """The subscription is down: say so of every symbol that is followed."""
        log.warning("live_messages_interrupted", reason=reason)
        for symbol in self._followers:
            self._say_silent(symbol, FeedState.STALE, f"live messages are interrupted: {reason}")

    def _proved(self, shards: set[int]) -> None:
        """Messages of ``shards`` may have been missed; from here on they arrive."""
        now = self._clock()
        back = [symbol for symbol in self._followers if shard_of(symbol) in shards]
        for symbol in back:
            self._heard[symbol] = now
            self._silent.pop(symbol, None)
        self._resnapshot(back)
        self._watch_due.set()

    def _resnapshot(self, symbols: Iterable[str]) -> None:
        wanted = set(symbols)
        if wanted:
            for listener in list(self._listeners):
                listener.resnapshot(wanted & listener.symbols.keys())

    def _say_silent(self, symbol: str, state: FeedState, reason: str) -> None:
        if self._silent.get(symbol) == state:
            return
        self._silent[symbol] = state
        now = datetime.now(UTC)
        fields = messages.status_fields(Status(state=state, since=now, reason=reason), now)
        # It repeats the last number: it is this process that speaks, not the streamer.
        text = messages.about("status", symbol, *self._heads.get(symbol, (0, 0)), fields)
        self._hand_out(Message(text, symbol, (symbol, "status")), self._followers[symbol])

    # Clocks

    async def _ticks(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = self._clock()
            for listener in list(self._listeners):
                listener.tick(now)
            if self._subscription.proved.is_set():
                for symbol in list(self._followers):
                    self._check_pulse(symbol, now - self._heard[symbol])

    def _check_pulse(self, symbol: str, silent: float) -> None:
        if silent > SILENT_OFFLINE_SECONDS:
            self._say_silent(symbol, FeedState.OFFLINE, "the streamer has fallen silent")
        elif silent > SILENT_STALE_SECONDS:
            self._say_silent(symbol, FeedState.STALE, "the streamer has fallen silent")

    async def _keep_watching(self) -> None:
        """Keep the watched series in Redis alive, new ones at once."""
        while True:
            with contextlib.suppress(TimeoutError):  # not wait_for: on 3.11 it may swallow a cancellation
                async with asyncio.timeout(_WATCH_EVERY_SECONDS):
                    await self._watch_due.wait()
            nudge = self._watch_due.is_set()
            self._watch_due.clear()
            with contextlib.suppress(RedisError, OSError):  # the probe reports it, and this is tried again
                await self.cache.watch(list(self._watchers), nudge=nudge)
            await asyncio.sleep(0.02)  # a page that subscribes to many series makes one round trip


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


def current_hub() -> Hub:
    """The hub of the running event loop, made at first use."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub(layer=get_channel_layer(), cache=LiveCache())
    return hub

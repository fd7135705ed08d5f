"""From the streamer to the browsers: sequence numbers, and messages encoded once.

Redis first (``standing.py``: the state a newcomer reads), then the channel layer (what those who are there are told):
so a snapshot is never older than what its reader was told, which it would drop.
Each message on the channel layer is numbered per shard, so that a hub that missed one knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import structlog

from domain.bar import Bar
from domain.tick import Quote
from quotes import messages
from quotes.cache import LiveCache, Pulse, RedisError
from quotes.envelope import SHARDS, Envelope, group_name, shard_of
from quotes.standing import Series, Standing
from quotes.status import Status

_MOST_WAITING = 20_000  # messages that may not be lost; beyond, the oldest go and `seq` shows the hole
_FLUSH_SECONDS = 0.25
_RETRY_SECONDS = 0.5
_AWAY = (RedisError, OSError, TimeoutError)

log = structlog.get_logger(__name__)


class Publisher:
    """Called by the fold without waiting; a task of its own writes and sends.

    What may not be lost waits in a bounded queue; quotes and forming bars only in their latest version. While Redis is
    away everything is dropped and counted by the numbers: hubs see the jump when it is back, and the
    state is written anew first.
    """

    def __init__(
        self, *, cache: LiveCache, layer: Any, epoch: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.epoch = epoch
        self.seqs: dict[str, int] = {}
        self.reachable = True
        self._cache, self._layer = cache, layer
        self._standing = Standing(epoch, clock)
        self._numbers = [0] * SHARDS
        self._certain: deque[Envelope] = deque()
        self._sending: deque[Envelope] = deque()  # of these the state is written, or being written
        self._latest: dict[Series, Quote | Bar] = {}
        self._followed: frozenset[str] | None = None  # as the last heartbeat said
        self._wake = asyncio.Event()

    # Called by the streamer; never waits

    def bar(self, bar: Bar, *, amended: bool) -> None:
        """A bar closed, or a closed one was corrected."""
        symbol, interval = bar.symbol, bar.interval.value
        state = "amended" if amended else "closed"
        seq = self._next_seq(symbol)
        self._standing.closed(bar, state, seq)
        if not amended:
            self._latest.pop((symbol, interval), None)
            self._standing.ended(symbol, interval)
        self._send("bar", symbol, interval, messages.bar_message(bar, state, self.epoch, seq), seq)

    def status(self, symbol: str, status: Status) -> None:
        now = datetime.now(UTC)
        seq = self._next_seq(symbol)
        self._standing.status(symbol, status, now, seq)
        fields = messages.status_fields(status, now)
        self._send("status", symbol, "", messages.about("status", symbol, self.epoch, seq, fields), seq)

    def gap(self, symbol: str, start: datetime, end: datetime, reason: str) -> None:
        seq = self._next_seq(symbol)
        self._standing.numbered(symbol, seq)
        fields = {"start": start, "end": end, "reason": reason}
        self._send("gap", symbol, "", messages.about("gap", symbol, self.epoch, seq, fields), seq)

    def history(self, symbol: str, interval: str | None, first: datetime, last: datetime) -> None:
        self._send("history", symbol, interval or "", messages.history_message(symbol, interval, first, last))

    def quote(self, quote: Quote, *, watched: bool) -> None:
        key = quote.symbol, "quote"
        self._standing.latest(key, quote)
        if watched:
            self._latest[key] = quote
            self._wake.set()

    def forming(self, bar: Bar) -> None:
        key = bar.symbol, bar.interval.value
        self._standing.latest(key, bar)
        self._latest[key] = bar
        self._wake.set()

    def forget(self, symbol: str) -> None:
        """The symbol is no longer followed; its numbers go on, should it come back."""
        self._standing.forget(symbol)
        for key in [key for key in self._latest if key[0] == symbol]:
            del self._latest[key]

    # The task

    async def run(self) -> None:
        """Write and send until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):  # not wait_for: on 3.11 it may swallow a cancellation
                async with asyncio.timeout(_FLUSH_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write and send all that waits, once; on failure wait a little and drop what newcomers will read anyway."""
        try:
            if not self.reachable:
                await self._recover()
            # All at one moment: what comes while this is written and sent belongs to the next turn.
            changes = self._standing.take()
            self._sending += self._certain
            self._certain.clear()
            latest, self._latest = self._latest, {}
            seqs = {symbol: self.seqs.get(symbol, 0) for symbol, _ in latest}
            if changes:
                await self._cache.write(changes)
            await self._send_all(latest, seqs)
        except _AWAY as error:
            if self.reachable:
                log.warning("redis_away", reason=str(error))
            self.reachable = False
            self._drop_all()
            await asyncio.sleep(_RETRY_SECONDS)

    async def heartbeat(self, symbols: Iterable[str]) -> None:
        """Renew the pulse in Redis and tell every hub the latest numbers."""
        self._followed = followed = frozenset(symbols)
        now = datetime.now(UTC)
        try:
            await self._beat(now)
        except _AWAY:
            return  # `flush` finds out, says so and recovers
        seqs: list[dict[str, int]] = [{} for _ in range(SHARDS)]
        for symbol in followed:
            seqs[shard_of(symbol)][symbol] = self.seqs.get(symbol, 0)
        for shard in range(SHARDS):
            body = {"seqs": seqs[shard], "time": now}
            self._queue(Envelope(shard, "heartbeat", "", "", messages.encode(body)))

    async def _beat(self, now: datetime) -> None:
        if self._followed is not None:
            await self._cache.beat(Pulse(self.epoch, now.timestamp(), self._followed))

    async def _send_all(self, latest: dict[Series, Quote | Bar], seqs: dict[str, int]) -> None:
        while self._sending:
            await self._group_send(self._sending.popleft())
        for (symbol, what), value in latest.items():
            seq = seqs[symbol]
            if isinstance(value, Quote):
                fields = messages.quote_fields(value, datetime.now(UTC))
                text = messages.about("quote", symbol, self.epoch, seq, fields)
                await self._group_send(Envelope(shard_of(symbol), "quote", symbol, "", text))
            else:
                text = messages.bar_message(value, "forming", self.epoch, seq)
                await self._group_send(Envelope(shard_of(symbol), "forming", symbol, what, text))

    async def _group_send(self, envelope: Envelope) -> None:
        self._numbers[envelope.shard] += 1
        body = envelope.body(self.epoch, self._numbers[envelope.shard])
        await self._layer.group_send(group_name(envelope.shard), body)

    async def _recover(self) -> None:
        """Redis may have come back empty: write all that a newcomer reads before anybody is told anything."""
        await self._cache.write(self._standing.everything(self.seqs))
        await self._beat(datetime.now(UTC))
        for shard in range(SHARDS):
            self._numbers[shard] += 1  # whatever was in flight is lost: let every hub see a jump
        self.reachable = True
        log.info("redis_back", symbols=len(self._standing))

    def _drop_all(self) -> None:
        for waiting in (self._sending, self._certain):
            for envelope in waiting:
                self._numbers[envelope.shard] += 1
            waiting.clear()
        self._latest.clear()
        self._standing.drop()

    # Parts

    def _next_seq(self, symbol: str) -> int:
        seq = self.seqs[symbol] = self.seqs.get(symbol, 0) + 1
        return seq

    def _send(self, kind: str, symbol: str, interval: str, text: bytes, seq: int = 0) -> None:
        self._queue(Envelope(shard_of(symbol), kind, symbol, interval, text, seq))

    def _queue(self, envelope: Envelope) -> None:
        if len(self._certain) >= _MOST_WAITING:
            self._numbers[self._certain.popleft().shard] += 1
        self._certain.append(envelope)
        self._wake.set()

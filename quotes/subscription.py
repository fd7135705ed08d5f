"""The hub's end of the channel layer: joined shards, a proof that messages arrive, and the loss of any noticed.

``RedisPubSubChannelLayer`` drops what is sent while its connection is down, and says nothing. So the subscription
is proved by a probe of its own that must come back, and again each second; and the publisher numbers its
messages per shard, so that a hole too short for the probes shows too.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import structlog

from quotes.cache import RedisError
from quotes.endings import end
from quotes.envelope import SHARDS, group_name

_PROBE_SECONDS = 1.0
_ANSWER_SECONDS = 2.0
_RUNS_REMEMBERED = 64  # (epoch, shard) pairs whose last number is known
ALL_SHARDS = frozenset(range(SHARDS))

log = structlog.get_logger(__name__)


class ShardSubscription:
    """Joins all shards; ``proved`` is set while messages are known to arrive."""

    def __init__(self, layer: Any, *, on_lost: Callable[[str], None], on_proved: Callable[[set[int]], None]) -> None:
        self.proved = asyncio.Event()
        self._layer = layer
        self._on_lost, self._on_proved = on_lost, on_proved
        self._name = uuid.uuid4().hex
        self._awaited: set[int] = set()
        self._answered = asyncio.Event()
        self._numbers: OrderedDict[tuple[int, int], int] = OrderedDict()

    async def run(self, take: Callable[[dict[str, Any]], None], *, batch: int, after_batch: Callable[[], None]) -> None:
        """Receive and prove until cancelled, or until one of them fails: then its error is raised.

        ``take`` gets each message, ``after_batch`` follows each ``batch``.
        """
        channel = await self._join()
        parts = [
            asyncio.create_task(self._receive(channel, take, batch, after_batch)),
            asyncio.create_task(self._probe_forever()),
        ]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                part.result()
        finally:
            await end(parts)

    async def _receive(
        self, channel: str, take: Callable[[dict[str, Any]], None], batch: int, after_batch: Callable[[], None]
    ) -> None:
        count = 0
        while True:
            body = await self._layer.receive(channel)
            self._sort_in(body, take)
            count += 1
            if count % batch == 0:  # `receive` does not wait while messages are there
                after_batch()
                await asyncio.sleep(0)

    def doubt(self, reason: str) -> None:
        """Messages may be missing from here on, until a probe comes back."""
        if self.proved.is_set():
            self.proved.clear()
            self._on_lost(reason)

    async def _join(self) -> str:
        while True:
            try:
                # A failed `new_channel` leaves its queue behind in the layer: ask first whether Redis is there.
                await self._layer.group_send(group_name(0), {"type": "live", "k": "probe", "s": "", "n": 0})
                channel = await self._layer.new_channel("hub.")
                for shard in range(SHARDS):
                    await self._layer.group_add(group_name(shard), channel)
            except (RedisError, OSError) as error:
                log.warning("live_messages_unavailable", reason=str(error))
                await asyncio.sleep(_PROBE_SECONDS)
            else:
                return str(channel)

    def _sort_in(self, body: dict[str, Any], take: Callable[[dict[str, Any]], None]) -> None:
        if body["k"] == "probe":
            if body["s"] == self._name:
                self._awaited.discard(body["n"])
                if not self._awaited:
                    self._answered.set()
            return
        if body["n"]:
            self._check_number(body["e"], body["n"], body["h"])
        take(body)

    def _check_number(self, epoch: int, number: int, shard: int) -> None:
        run = epoch, shard
        last = self._numbers.get(run)
        self._numbers[run] = number
        if last is None:
            self._numbers.move_to_end(run)
            if len(self._numbers) > _RUNS_REMEMBERED:
                self._numbers.popitem(last=False)
        if number != 1 + (last or 0) and self.proved.is_set():
            if last is not None:
                log.warning("live_messages_missed", shard=shard, count=number - last - 1)
            self._on_proved({shard})

    async def _probe_forever(self) -> None:
        while True:
            reason = await self._probe()
            if not reason and not self.proved.is_set():
                self.proved.set()
                self._on_proved(set(ALL_SHARDS))
            elif reason:
                self.doubt(reason)
            await asyncio.sleep(_PROBE_SECONDS)

    async def _probe(self) -> str:
        """Send a message through every shard and wait for it; why that failed, or an empty text."""
        self._awaited = set(ALL_SHARDS)
        self._answered.clear()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                for shard in range(SHARDS):
                    probe = {"type": "live", "k": "probe", "s": self._name, "n": shard}
                    await self._layer.group_send(group_name(shard), probe)
                await self._answered.wait()
        except TimeoutError:
            return "a probe did not come back"
        except (RedisError, OSError) as error:
            return str(error)
        return ""

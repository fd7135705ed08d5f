"""The streamer as a process: everything put together, started, kept in step with the registry, and drained."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from channels.layers import get_channel_layer
from django.db import DatabaseError

from domain.aggregation import Aggregator
from providers.base import Baseline, Provider
from quotes.audit import AuditTrail
from quotes.cache import STREAMER, LiveCache, RedisError
from quotes.desired import read_desired
from quotes.endings import end
from quotes.following import Following
from quotes.handover import Handover
from quotes.historian import Historian
from quotes.interruptions import Interruptions
from quotes.nudges import NUDGE_SYMBOLS, NUDGE_WATCH, listen
from quotes.publish import Publisher
from quotes.saving import Consequences, open_repository, save
from quotes.status import FeedState, Status
from quotes.stream import Streamer
from quotes.syncs import SyncOrders
from quotes.threads import WorkerThread
from quotes.writer import Writer

SWEEP_SECONDS = 0.05
HEARTBEAT_SECONDS = 5.0
RECONCILE_SECONDS = 3.0
WATCH_SECONDS = 2.0
DRAIN_SECONDS = 3.5  # what is unsaved then is in the checkpoint, which is on disk before

log = structlog.get_logger(__name__)
_AWAY = (RedisError, OSError)


class StreamService:
    """``run`` until ``stop`` is called or a part of it fails. ``queue_healing`` is the door's: it asks the queue."""

    def __init__(
        self,
        *,
        open_provider: Callable[[str], Provider],
        queue_healing: Callable[[list[str]], object],
        checkpoint_path: Path,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._stopping = asyncio.Event()
        self._reconcile_now, self._watch_now = asyncio.Event(), asyncio.Event()
        self._sql, self._ledger = WorkerThread("sql"), WorkerThread("ledger")
        self._cache = LiveCache()
        self.handover = Handover(checkpoint_path, clock=lambda: clock_ns() / 1e9)
        epoch = max(int(time.time() * 1000), self.handover.last_epoch + 1)
        self.publisher = Publisher(cache=self._cache, layer=get_channel_layer(), epoch=epoch)
        self.audit = AuditTrail(self._sql)
        then = Consequences(publisher=self.publisher, audit=self.audit, handover=self.handover)
        self.writer = Writer(save, on_saved=then.saved, on_lost=then.lost)
        self.interruptions = Interruptions(self._ledger, clock=lambda: clock_ns() / 1e9)
        self.streamer = Streamer(
            aggregator=Aggregator(),
            writer=self.writer,
            publisher=self.publisher,
            audit=self.audit,
            on_hole=self._hole,
            on_away=self.interruptions.began,
            clock_ns=clock_ns,
        )
        self.historian = Historian(
            streamer=self.streamer,
            writer=self.writer,
            audit=self.audit,
            repository=open_repository,
            open_provider=open_provider,
            clock=lambda: clock_ns() / 1e9,
        )
        self.syncs = SyncOrders(queue_healing, self._sql)
        self.following = Following(
            streamer=self.streamer,
            publisher=self.publisher,
            syncs=self.syncs,
            thread=self._sql,
            open_provider=open_provider,
            baselines_of=self.handover.give_baselines,
            left_at=self.handover.left_at,
            on_change=self._changed,
        )
        self._soon: set[asyncio.Task[Any]] = set()

    def stop(self) -> None:
        """End soon, in order."""
        self._stopping.set()

    async def run_until_signalled(self) -> None:
        """``run``, with SIGTERM and SIGINT as the order to stop."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signum, self.stop)
        await self.run()

    async def run(self) -> None:
        """Stream until told to stop, then drain. Raises what ended a part that should live."""
        self.handover.give_fold(self.streamer.aggregator.restore)
        self.audit.note("started", reason=f"epoch {self.publisher.epoch}")
        sinks = [
            asyncio.create_task(part(), name=part.__qualname__)
            for part in (self.publisher.run, self.writer.run, self.audit.run)
        ]
        parts = (
            self._reconcile,
            self._sweep,
            self._beat,
            self._watch,
            self._listen,
            self.historian.run,
            self.syncs.run,
            self.interruptions.run,
        )
        sources = [asyncio.create_task(part(), name=part.__qualname__) for part in parts]
        stop = asyncio.create_task(self._stopping.wait())
        log.info("streaming", epoch=self.publisher.epoch)
        done, _ = await asyncio.wait([stop, *sinks, *sources], return_when=asyncio.FIRST_COMPLETED)
        await end([*sources, stop])
        await self._drain(time.monotonic() + DRAIN_SECONDS, sinks)
        for task in done:
            if task is not stop:
                task.result()

    async def _drain(self, deadline: float, sinks: list[asyncio.Task[Any]]) -> None:
        """Feeds first, then what they left; the checkpoint is on disk before the store is given its last chance."""
        log.info("draining")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await self.following.close()
        self.streamer.hand_on()
        await end(sinks)
        fold, baselines = self.streamer.aggregator.checkpoint(), self.following.baselines()
        self._leave(fold, baselines)
        await self.writer.drain(deadline - 1.5)
        self._leave(fold, baselines)
        await self._say_goodbye()
        self.historian.close()
        self.writer.close()
        self._sql.close()
        self._ledger.close()
        log.info("stopped", unsaved=len(self.writer.unsaved()))

    def _leave(self, fold: dict[str, Any], baselines: dict[str, list[Baseline]]) -> None:
        unsaved = [bar for _, bar in self.writer.unsaved()]
        self.handover.leave(epoch=self.publisher.epoch, fold=fold, baselines=baselines, bars=unsaved)

    async def _say_goodbye(self) -> None:
        now = datetime.now(UTC)
        for symbol in self.streamer.instruments:
            status = Status(state=FeedState.OFFLINE, since=now, reason="the streamer was stopped")
            self.publisher.status(symbol, status)
        self.audit.note("stopped")
        with contextlib.suppress(TimeoutError, *_AWAY):
            async with asyncio.timeout(1):
                await self.publisher.flush()
                await self._cache.redis.delete(STREAMER)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self.audit.flush()
        await self._cache.close()

    def _changed(self, gone: list[str]) -> None:
        """Others are followed than before."""
        for symbol in gone:
            self.interruptions.ended(symbol)
        self.handover.give_unsaved(self.streamer.instruments, self.writer.put)
        self._task_soon(self._renew(gone))

    async def _renew(self, gone: list[str]) -> None:
        """Newcomers are told at once who is followed."""
        with contextlib.suppress(*_AWAY):
            await self._cache.forget(gone)
        await self.publisher.heartbeat(self.following.spoken_for())

    def _task_soon(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(coroutine)
        self._soon.add(task)
        task.add_done_callback(self._soon.discard)

    # Loops

    async def _reconcile(self) -> None:
        while True:
            try:
                await self.following.keep_to(await self._sql.run(read_desired))
            except DatabaseError as error:
                log.warning("sql_away", reason=str(error))
            await self._pause(self._reconcile_now, RECONCILE_SECONDS)

    async def _sweep(self) -> None:
        while True:
            self.streamer.sweep()
            await asyncio.sleep(SWEEP_SECONDS)

    async def _beat(self) -> None:
        while True:
            await self.publisher.heartbeat(self.following.spoken_for())
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(*_AWAY):  # the publisher says it
                self.streamer.watch(await self._cache.watched())
            await self._pause(self._watch_now, WATCH_SECONDS)

    async def _listen(self) -> None:
        await listen({NUDGE_WATCH: self._watch_now, NUDGE_SYMBOLS: self._reconcile_now})

    async def _pause(self, event: asyncio.Event, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
        event.clear()

    def _hole(self, symbol: str) -> None:
        """Ticks were missed: the fold's parents are seeded at once, the queue fills what is stored."""
        self.interruptions.ended(symbol)
        self.historian.seed_soon(symbol)
        self.syncs.want(symbol)

"""The streamer as a process: everything put together, started, kept in step with the registry, and drained."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from channels.layers import get_channel_layer
from django.db import DatabaseError

from domain.aggregation import Aggregator
from domain.bar import Bar, BarState
from domain.calendars import get_calendar, is_light
from domain.errors import StoreUnavailable, UnknownCalendar
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.mongo import database
from marketdata.repository import BarRepository
from providers.base import Provider
from quotes import checkpoint
from quotes.audit import AuditTrail
from quotes.cache import STREAMER, LiveCache, RedisError
from quotes.checkpoint import Checkpoint
from quotes.desired import Desired, read_desired
from quotes.endings import end
from quotes.feed import Feed
from quotes.historian import Historian
from quotes.nudges import NUDGE_SYMBOLS, NUDGE_WATCH, listen
from quotes.publish import Publisher
from quotes.status import FeedState, Status
from quotes.stream import Streamer
from quotes.syncs import SyncOrders
from quotes.threads import WorkerThread
from quotes.writer import Series, Writer

SWEEP_SECONDS = 0.05
HEARTBEAT_SECONDS = 5.0
RECONCILE_SECONDS = 3.0
WATCH_SECONDS = 2.0
DRAIN_SECONDS = 5.0  # what is unsaved then is in the checkpoint, which is on disk before

log = structlog.get_logger(__name__)
_AWAY = (RedisError, OSError)


class StreamService:
    """``run`` until ``stop`` is called or a part of it fails. ``queue_sync`` is the door's: it asks the queue."""

    def __init__(
        self,
        *,
        open_provider: Callable[[str], Provider],
        queue_sync: Callable[[str], object],
        checkpoint_path: Path,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._open_provider, self._path = open_provider, checkpoint_path
        self._clock_ns = clock_ns
        self._stopping = asyncio.Event()
        self._reconcile_now, self._watch_now = asyncio.Event(), asyncio.Event()
        self._sql = WorkerThread("sql")
        self._cache = LiveCache()
        self._found = checkpoint.read(checkpoint_path, clock_ns() / 1e9)
        after = 0 if self._found is None else self._found.epoch + 1
        epoch = max(int(time.time() * 1000), after)
        self.publisher = Publisher(cache=self._cache, layer=get_channel_layer(), epoch=epoch)
        self.audit = AuditTrail(self._sql)
        self.writer = Writer(self._save, on_saved=self._saved, on_lost=self._lost)
        self.streamer = Streamer(
            aggregator=Aggregator(),
            writer=self.writer,
            publisher=self.publisher,
            audit=self.audit,
            on_hole=self._hole,
            clock_ns=clock_ns,
        )
        self.historian = Historian(
            streamer=self.streamer,
            writer=self.writer,
            audit=self.audit,
            repository=_repository,
            open_provider=open_provider,
            clock=lambda: clock_ns() / 1e9,
        )
        self.syncs = SyncOrders(queue_sync, self._sql)
        self.feeds: dict[str, Feed] = {}
        self._waiting: dict[str, str] = {}
        self._calendars: set[str] = set()  # those that are built
        self._restored_unsaved: list[Bar] = []
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
        self._restore()
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

    # Start and stop

    def _restore(self) -> None:
        found = self._found
        if found is None:
            log.info("no_checkpoint")
            return
        self._restored_unsaved = found.unsaved
        if found.fold is not None:
            try:
                self.streamer.aggregator.restore(found.fold)
            except (ValueError, KeyError, TypeError) as error:
                log.error("fold_not_restored", reason=str(error))
        log.info("restored", age_seconds=round(self._clock_ns() / 1e9 - found.saved_at, 1), unsaved=len(found.unsaved))

    async def _drain(self, deadline: float, sinks: list[asyncio.Task[Any]]) -> None:
        """Feeds first, then what they left; the checkpoint is on disk before the store is given its last chance."""
        log.info("draining")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.gather(*(feed.close() for feed in self.feeds.values()))
        self.streamer.hand_on()
        await end(sinks)
        fold = self.streamer.aggregator.checkpoint()
        self._write_checkpoint(fold)
        await self.writer.drain(deadline - 1.5)
        self._write_checkpoint(fold)
        await self._say_goodbye()
        self.historian.close()
        self.writer.close()
        self._sql.close()
        log.info("stopped", unsaved=len(self.writer.unsaved()))

    def _write_checkpoint(self, fold: dict[str, Any]) -> None:
        unsaved = [bar for _, bar in self.writer.unsaved()] + self._restored_unsaved
        state = Checkpoint(saved_at=self._clock_ns() / 1e9, epoch=self.publisher.epoch, fold=fold, unsaved=unsaved)
        checkpoint.write(self._path, state)

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

    # In step with the registry

    async def _reconcile(self) -> None:
        while True:
            try:
                await self._keep_to(await self._sql.run(read_desired))
            except DatabaseError as error:
                log.warning("sql_away", reason=str(error))
            await self._pause(self._reconcile_now, RECONCILE_SECONDS)

    async def _keep_to(self, desired: Desired) -> None:
        """``apply``, and until exchanges' calendars are built, which takes a second, those that need none at once."""
        needed = {one.calendar for one in desired.instruments} - self._calendars
        if needed:
            if not self.streamer.instruments:
                self.apply(desired._replace(instruments=[one for one in desired.instruments if is_light(one.calendar)]))
            await self._sql.run(_build_calendars, needed)
            self._calendars |= needed
        self.apply(desired)

    def apply(self, desired: Desired) -> None:
        """Follow exactly what is desired."""
        wanted = {instrument.symbol: instrument for instrument in desired.instruments}
        gone = [symbol for symbol in self.streamer.instruments if symbol not in wanted]
        changed = [one for one in wanted.values() if self.streamer.instruments.get(one.symbol) != one]
        for symbol in gone:
            self.streamer.forget(symbol)
        refused = {one.symbol: reason for one in changed if (reason := self._follow(one))}
        if gone or changed:
            for name, feed in self.feeds.items():
                feed.follow(one for one in self.streamer.instruments.values() if one.provider == name)
            self._take_unsaved()
            log.info("following", symbols=len(self.streamer.instruments), new=len(changed), gone=len(gone))
        self._tell_waiting(desired.waiting | refused)
        if gone or changed:
            self._task_soon(self._renew(gone))

    def _follow(self, instrument: Instrument) -> str:
        """Follow one symbol; why it cannot be, or an empty text."""
        name = instrument.provider
        if name not in self.feeds:
            self.feeds[name] = Feed(self._open_provider(name), self.streamer.take, name=name)
        try:
            self.streamer.follow(instrument, self.feeds[name])
        except UnknownCalendar as error:
            return str(error)
        if instrument.symbol not in self.syncs.asked_at:
            self.syncs.want(instrument.symbol)
        return ""

    def _take_unsaved(self) -> None:
        """Bars that the last run could not save, as soon as their symbol is known; then the checkpoint is spent."""
        waiting, self._restored_unsaved = self._restored_unsaved, []
        for bar in waiting:
            instrument = self.streamer.instruments.get(bar.symbol)
            if instrument is None:
                self._restored_unsaved.append(bar)
            else:
                self.writer.put(instrument, bar)

    def _tell_waiting(self, waiting: dict[str, str]) -> None:
        for symbol, reason in waiting.items():
            if self._waiting.get(symbol) != reason:
                status = Status(state=FeedState.OFFLINE, since=datetime.now(UTC), reason=reason)
                self.publisher.status(symbol, status)
            self.syncs.want(symbol)
        self._waiting = dict(waiting)

    async def _renew(self, gone: list[str]) -> None:
        """Newcomers are told at once who is followed."""
        with contextlib.suppress(*_AWAY):
            await self._cache.forget(gone)
        await self.publisher.heartbeat(self._spoken_for())

    def _spoken_for(self) -> list[str]:
        return [*self.streamer.instruments, *self._waiting]

    def _task_soon(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(coroutine)
        self._soon.add(task)
        task.add_done_callback(self._soon.discard)

    # Loops

    async def _sweep(self) -> None:
        while True:
            self.streamer.sweep()
            await asyncio.sleep(SWEEP_SECONDS)

    async def _beat(self) -> None:
        while True:
            await self.publisher.heartbeat(self._spoken_for())
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
        self.historian.seed_soon(symbol)
        self.syncs.want(symbol)

    # The writer's callbacks

    def _save(self, instrument: Instrument, interval: Interval, bars: list[Bar]) -> None:
        BarRepository(database()).save(instrument, interval, bars)

    def _saved(self, series: Series, bars: list[Bar], was_late: bool) -> None:
        """Browsers fetch again what history replaced, and what they could not find while the store was away."""
        told = [bar.open_time for bar in bars if was_late or bar.state is BarState.FINAL]
        if told:
            self.publisher.history(series[0].symbol, series[1].value, min(told), max(told))

    def _lost(self, series: Series, bar: Bar) -> None:
        reason = "the store was away for too long and memory was full"
        self.publisher.gap(bar.symbol, bar.starts_at, bar.close_time, reason)
        self.audit.note("lost", symbol=bar.symbol, reason=f"{bar.interval} {bar.open_time.isoformat()}: {reason}")


def _repository() -> BarRepository | None:
    """In the thread that asks: the store, or None while it is away."""
    try:
        return BarRepository(database())
    except StoreUnavailable:
        return None


def _build_calendars(names: Iterable[str]) -> None:
    """In a thread, so that the loop goes on; the fold then finds them made."""
    for name in names:
        with contextlib.suppress(UnknownCalendar):  # said of each symbol when it is to be followed
            get_calendar(name)

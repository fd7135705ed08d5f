"""Plays a recording into the running system: through the loop, the writer and the publisher of the live stream.

The recording tells what time it is, so bars close as they did then. Pages that show the symbol see it move, as a feed
that is late by all the time since. Where that would disturb (the streamer follows the symbol) or nobody could look
(as fast as it goes), bars are stored all the same and pages are told to fetch them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from channels.layers import get_channel_layer

from domain.aggregation import Aggregator, HistoryRange
from domain.bar import Bar
from domain.errors import StoreUnavailable
from domain.instrument import Instrument
from domain.interval import Interval
from domain.tick import Quote
from marketdata.mongo import database
from marketdata.repository import BarRepository
from providers.recording import Recording
from providers.replay import Playback, RecordedProvider
from quotes.audit import AuditTrail
from quotes.cache import QUOTE_SECONDS, STATE_SECONDS, LiveCache, Pulse, RedisError
from quotes.endings import end
from quotes.feed import Feed
from quotes.publish import Publisher
from quotes.seeding import moment
from quotes.status import FeedState, Status
from quotes.stream import Streamer
from quotes.threads import WorkerThread
from quotes.writer import BATCH_BARS, Series, Writer

_TEND_SECONDS = 0.1
_WATCH_SECONDS = 0.25
_HEARTBEAT_SECONDS = 5.0
_MOST_UNSAVED = 10 * BATCH_BARS  # beyond, playing waits for the store
_PATIENCE_SECONDS = 60.0
_NS = 10**9


class Played(NamedTuple):
    """What a replay did."""

    ticks: int
    bars: int
    out_of_session: int


class Player:
    """One recording of one registered symbol, played once. Made inside the event loop that it runs in."""

    def __init__(self, instrument: Instrument, recording: Recording, *, speed: float, is_shown: bool) -> None:
        self._instrument = replace(instrument, delay_seconds=0)  # nothing is late in a recording
        self._recording = recording
        self._playback = Playback(recording, instrument.symbol, speed=speed)
        self._cache = _QuietCache()
        publisher = _RecordingPublisher if is_shown else _UnseenPublisher
        self._publisher = publisher(cache=self._cache, layer=get_channel_layer(), epoch=int(time.time() * 1000))
        self._thread = WorkerThread("recording")
        self._writer = Writer(_save, on_saved=self._saved, on_lost=_never)
        self._streamer = Streamer(
            aggregator=Aggregator(grace_ns=0),  # the recording's clock never runs ahead of its ticks
            writer=self._writer,
            publisher=self._publisher,
            audit=AuditTrail(self._thread),  # never written: a replay is nothing that happened to a feed
            on_hole=lambda symbol: None,  # what was before the recording is looked up once, in `_seed`
            clock_ns=self._playback.now_ns,
        )
        self._turn = asyncio.Lock()  # saving and sending: the loop after a batch, or the tending task
        self._bars = 0

    async def run(self, heard: Callable[[int], None]) -> Played:
        """Play to the end; ``heard`` is told the number of ticks. Raises StoreUnavailable if bars cannot be stored."""
        symbol, streamer = self._instrument.symbol, self._streamer
        provider = RecordedProvider(self._playback, symbol)
        feed = Feed(provider, streamer.take, name=provider.name)
        streamer.follow(self._instrument, feed)
        tending = [asyncio.create_task(part()) for part in (self._tend, self._watch, self._beat)]
        try:
            await self._seed()
            self._say_playing()
            async for events in provider.stream():
                streamer.take(feed, events)
                await self._hand_on()
                heard(self._playback.played)
                for task in tending:
                    if task.done():
                        task.result()  # it lives as long as we do, unless it failed
            await self._store_all()
        finally:
            await end(tending)
            await self._say_goodbye()
        return Played(self._playback.played, self._bars, streamer.aggregator.counts(symbol).out_of_session)

    async def _seed(self) -> None:
        """Bars of the store complete the days, weeks and months that had begun before the recording."""
        symbol, aggregator = self._instrument.symbol, self._streamer.aggregator
        first = self._first_second()
        stored = await self._thread.run(_stored, self._instrument, aggregator.wanted_history(symbol, first))
        aggregator.seed(symbol, stored, through=first)

    def _say_playing(self) -> None:
        age = max(0, int(time.time()) - self._playback.now_ns() // _NS)
        self._publisher.say(self._instrument.symbol, FeedState.DELAYED, "a recording is played", delay_seconds=age)

    def _first_second(self) -> int:
        return int(self._recording.time_ns[0]) // _NS if len(self._recording) else 0

    async def _tend(self) -> None:
        """Between ticks time goes on too: minutes end, pages begin to look."""
        while True:
            await asyncio.sleep(_TEND_SECONDS)
            await self._hand_on()

    async def _watch(self) -> None:
        """A page that begins to look sees the bars move soon, and what they are: its snapshot knows streamers only."""
        before: set[tuple[str, str]] = set()
        while True:
            with contextlib.suppress(RedisError, OSError):  # the publisher says it
                watched = await self._cache.watched()
                self._streamer.watch(watched)
                mine = {series for series in watched if series[0] == self._instrument.symbol}
                if mine - before:
                    self._say_playing()
                before = mine
            await asyncio.sleep(_WATCH_SECONDS)

    async def _beat(self) -> None:
        while True:
            await self._publisher.heartbeat([self._instrument.symbol])
            await asyncio.sleep(_HEARTBEAT_SECONDS)

    async def _hand_on(self) -> None:
        """Close what is over in the recording, save and send; where too much waits for the store, wait for it."""
        async with self._turn:
            self._streamer.sweep()
            await self._publisher.flush()
            await self._writer.save_all()
        if len(self._writer.unsaved()) > _MOST_UNSAVED:
            await self._store_all()

    async def _store_all(self) -> None:
        """Return once the store has acknowledged everything. Raises StoreUnavailable if it does not for a minute."""
        async with self._turn:
            self._streamer.sweep()
            await self._writer.drain(time.monotonic() + _PATIENCE_SECONDS)
        if left := self._writer.unsaved():
            raise StoreUnavailable(f"{len(left):,} bars could not be stored: MongoDB does not answer")

    async def _say_goodbye(self) -> None:
        self._publisher.say(self._instrument.symbol, FeedState.OFFLINE, "the recording has ended")
        await self._publisher.flush()
        await self._cache.close()
        self._writer.close()
        self._thread.close()

    def _saved(self, series: Series, bars: list[Bar], was_late: bool) -> None:
        self._bars += len(bars)
        if isinstance(self._publisher, _UnseenPublisher) or was_late:
            times = [bar.open_time for bar in bars]
            self._publisher.history(series[0].symbol, series[1].value, min(times), max(times))


class _RecordingPublisher(Publisher):
    """Says of the symbol what is true of a recording; a feed to be judged there is not."""

    def status(self, symbol: str, status: Status) -> None:
        """What the loop would say of its feed is left out."""

    def say(self, symbol: str, state: FeedState, reason: str, *, delay_seconds: int = 0) -> None:
        status = Status(state=state, since=datetime.now(UTC), reason=reason, delay_seconds=delay_seconds)
        super().status(symbol, status)


class _UnseenPublisher(_RecordingPublisher):
    """Tells pages only which stored bars have changed."""

    def bar(self, bar: Bar, *, amended: bool) -> None: ...

    def say(self, symbol: str, state: FeedState, reason: str, *, delay_seconds: int = 0) -> None: ...

    def quote(self, quote: Quote, *, watched: bool) -> None: ...

    def forming(self, bar: Bar) -> None: ...


class _QuietCache(LiveCache):
    """Live state without the streamer's pulse: a streamer beside us goes on to speak for its own symbols."""

    async def beat(self, pulse: Pulse) -> None:
        for symbol in pulse.symbols:
            await self.redis.expire(f"quote:{symbol}", QUOTE_SECONDS)
            for kind in ("forming", "state"):
                await self.redis.expire(f"{kind}:{symbol}", STATE_SECONDS)


def _save(instrument: Instrument, interval: Interval, bars: list[Bar]) -> None:
    BarRepository(database()).save(instrument, interval, bars)


def _stored(instrument: Instrument, wanted: list[HistoryRange]) -> list[Bar]:
    repository = BarRepository(database())
    found = [
        bar
        for part in wanted
        for bar in repository.between(instrument, part.interval, moment(part.start), moment(part.end))
    ]
    return [bar for bar in found if not bar.partial]


def _never(series: Series, bar: Bar) -> None:
    """Playing waits for the store, so the writer never runs out of room."""
    raise AssertionError(f"{bar.symbol} {bar.interval} {bar.open_time} found no room")

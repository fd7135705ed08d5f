"""The socket of the stream: connect, watch, back off, connect again. Everything else is decided in session.py."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from domain.errors import ProtocolError
from domain.instrument import Instrument
from providers.base import Baseline, FeedEvent, FeedEventKind, StreamEvent
from providers.tradingview.backoff import LONGEST_NEARBY_SECONDS, LONGEST_SECONDS, Backoff
from providers.tradingview.endpoint import is_loopback, socket_options, steady_clock
from providers.tradingview.failures import Failure, Stalled, explain
from providers.tradingview.session import StreamSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """``silence``: without any frame for so long the socket is dead (heartbeats come every 5 s). ``proof``: a
    connection that brought data and lived so long has proved itself. ``pulse``: how often timers are looked at."""

    silence_seconds: float = 30.0
    proof_seconds: float = 30.0
    send_seconds: float = 10.0
    pulse_seconds: float = 0.5
    most_events: int = 20_000  # waiting for the consumer; beyond, reading stops and TCP holds the provider back


class TradingViewStream:
    """The feed of one provider endpoint. It connects, reconnects and subscribes again by itself until closed.

    Iterating gives, each time, all events that arrived since the last, in order; after them one ``Quote`` of each
    symbol that spoke. Use one consumer, in the event loop that the stream was first used in.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        random: Callable[[], float],
        clock: Callable[[], int] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        timing: Timing | None = None,
    ) -> None:
        self._url = url
        self._clock = clock
        self._now = clock or steady_clock()
        self._sleep = sleep
        self._timing = timing or Timing()
        self._session = StreamSession(token=token, random=random)
        longest = LONGEST_NEARBY_SECONDS if is_loopback(url) else LONGEST_SECONDS
        self._backoff = Backoff(random, longest=longest)
        self._events: list[StreamEvent] = []
        self._arrived, self._nudged, self._has_room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._has_room.set()
        self._sending = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False
        self._last_frame_ns = 0

    def set_instruments(self, instruments: Iterable[Instrument]) -> None:
        """What should be followed from now on; the difference is subscribed and unsubscribed."""
        self._session.follow(instruments, self._now())
        self._nudged.set()

    def baselines(self) -> list[Baseline]:
        """Where the followed symbols stand; see ``Stream.baselines``."""
        return self._session.baselines()

    def restore(self, baselines: Iterable[Baseline]) -> None:
        """Go on from where an earlier stream stood; see ``Stream.restore``."""
        self._session.restore(baselines)

    def __aiter__(self) -> AsyncIterator[list[StreamEvent]]:
        return self

    async def __anext__(self) -> list[StreamEvent]:
        if self._task is None and not self._is_closed:
            self._task = asyncio.create_task(self._run(), name=f"feed {self._url}")
            self._task.add_done_callback(lambda _: self._arrived.set())
        while True:
            taken = self._take()
            if taken:
                return taken
            if self._task is None or self._task.done():
                self._finish()
            self._arrived.clear()
            await self._arrived.wait()

    async def close(self) -> None:
        """End the feed; iteration stops after what had arrived."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._arrived.set()

    def _take(self) -> list[StreamEvent]:
        taken, self._events = self._events, []
        taken.extend(self._session.take_quotes(self._now()))
        self._has_room.set()
        return taken

    def _finish(self) -> None:
        """Raise what ended the task, or end the iteration."""
        if self._task is not None and not self._task.cancelled():
            error = self._task.exception()
            if error is not None:
                raise error
        raise StopAsyncIteration

    async def _run(self) -> None:
        while True:
            while not self._session.is_wanted:
                self._nudged.clear()
                await self._nudged.wait()
            await self._room()
            failure = await self._connection()
            delay = self._backoff.next_seconds(failure.at_least_seconds)
            self._tell(FeedEventKind.DISCONNECTED, failure.reason, retry_in_seconds=delay)
            await self._sleep(delay)

    async def _connection(self) -> Failure:
        """One connection, from opening to its end; returns why it ended."""
        try:
            async with connect(self._url, **socket_options(self._url)) as socket:
                self._now = self._clock or steady_clock()
                self._last_frame_ns = self._now()
                self._session.open(self._last_frame_ns)
                self._tell(FeedEventKind.CONNECTED, "")
                await self._send(socket)
                try:
                    await self._converse(socket)
                except Stalled:
                    socket.transport.abort()  # who does not answer would not answer a farewell either
                    raise
        except (OSError, WebSocketException, ProtocolError, Stalled) as error:
            return explain(error)
        finally:
            self._session.close()
        return Failure("ended")

    async def _converse(self, socket: ClientConnection) -> None:
        """Read and keep watch until one of them fails; raises its error."""
        tasks = [asyncio.create_task(self._read(socket)), asyncio.create_task(self._watch(socket))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, socket: ClientConnection) -> None:
        session, recv = self._session, socket.recv
        while True:
            message = await recv(decode=False)
            now_ns = self._last_frame_ns = self._now()
            try:
                session.receive(message, now_ns, self._events)
            finally:  # what came before a fault counts
                if self._events or session.has_news:
                    self._arrived.set()
            if session.outgoing:
                await self._send(socket)
            await self._room()

    async def _room(self) -> None:
        """Wait until the consumer has taken events, if too many are waiting for it."""
        if len(self._events) >= self._timing.most_events:
            self._has_room.clear()
            await self._has_room.wait()

    async def _watch(self, socket: ClientConnection) -> None:
        """Timers: silence of the socket, probes and retries of the session, whether the connection proved itself."""
        opened_ns = self._now()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timing.pulse_seconds):
                    await self._nudged.wait()
            self._nudged.clear()
            now_ns = self._now()
            if not self._has_room.is_set():  # we are not reading, so silence means nothing
                self._last_frame_ns = now_ns
                self._session.hold(now_ns)
            if now_ns - self._last_frame_ns > self._timing.silence_seconds * 1e9:
                raise Stalled(f"stalled: nothing received for {self._timing.silence_seconds:g} s")
            stall = self._session.wake(now_ns)
            if stall:
                raise Stalled(stall)
            if self._session.has_data and now_ns - opened_ns >= self._timing.proof_seconds * 1e9:
                self._backoff.reset()
            await self._send(socket)

    async def _send(self, socket: ClientConnection) -> None:
        async with asyncio.timeout(self._timing.send_seconds), self._sending:
            # A closed connection may have left its reason unread: reading on tells it, and then that it is closed.
            with contextlib.suppress(ConnectionClosed):
                for message in self._session.take_outgoing():
                    await socket.send(message)

    def _tell(self, kind: FeedEventKind, reason: str, *, retry_in_seconds: float | None = None) -> None:
        time = datetime.fromtimestamp(self._now() / 1e9, UTC)
        self._events.append(FeedEvent(kind=kind, time=time, reason=reason, retry_in_seconds=retry_in_seconds))
        self._arrived.set()

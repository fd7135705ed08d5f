"""One provider's feed: its stream, kept running, and its state. One being away never disturbs another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import structlog

from domain.instrument import Instrument
from providers.base import Baseline, FeedEvent, FeedEventKind, Provider, Stream, StreamEvent
from quotes.endings import end
from quotes.status import Endpoint

_RESTART_SECONDS = 5.0
_CLOSE_SECONDS = 1.0

Take = Callable[["Feed", list[StreamEvent]], None]
log = structlog.get_logger(__name__)


class Feed:
    """Reads a provider's stream and hands its events to ``take``, a list for each message of the wire."""

    def __init__(self, provider: Provider, take: Take, *, name: str, baselines: Iterable[Baseline] = ()) -> None:
        self.name = name
        self.state = Endpoint(down_since=time.monotonic())
        self.instruments: dict[str, Instrument] = {}
        self._provider, self._take, self._baselines = provider, take, list(baselines)
        self._stream: Stream | None = None
        self._task: asyncio.Task[None] | None = None

    def follow(self, instruments: Iterable[Instrument]) -> None:
        """Make the followed instruments these."""
        self.instruments = {instrument.symbol: instrument for instrument in instruments}
        if self._stream is not None:
            self._stream.set_instruments(self.instruments.values())
        if self._task is None and self.instruments:
            self._task = asyncio.create_task(self._run(), name=f"feed {self.name}")

    def note(self, event: FeedEvent, now: float) -> None:
        """Keep the connection's state."""
        if event.kind is FeedEventKind.CONNECTED:
            self.state.came_up(now)
        elif event.kind is FeedEventKind.DISCONNECTED:
            retry = event.retry_in_seconds
            self.state.lost(now, event.reason, None if retry is None else event.time + timedelta(seconds=retry))

    def baselines(self) -> list[Baseline]:
        """Where its symbols stand, for the next stream; just behind what ``take`` got."""
        return self._baselines if self._stream is None else self._stream.baselines()

    async def close(self) -> None:
        """End the stream; what had arrived is taken first."""
        if self._stream is not None:
            await self._stream.close()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_CLOSE_SECONDS)
            await end([self._task])

    async def _run(self) -> None:
        """The stream reconnects by itself; if it fails all the same, that is a defect: logged whole, begun again."""
        while True:
            left = self.baselines()
            self._stream = self._provider.stream()
            self._stream.restore(left)
            self._stream.set_instruments(self.instruments.values())
            try:
                async for events in self._stream:
                    self._take(self, events)
                return  # closed
            except Exception as error:
                log.exception("feed_failed", provider=self.name)
                self._take(self, [_lost(f"{type(error).__name__}: {error}")])
            await self._stream.close()
            await asyncio.sleep(_RESTART_SECONDS)


def _lost(reason: str) -> FeedEvent:
    return FeedEvent(
        kind=FeedEventKind.DISCONNECTED, time=datetime.now(UTC), reason=reason, retry_in_seconds=_RESTART_SECONDS
    )

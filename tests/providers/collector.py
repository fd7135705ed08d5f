"""Follows a stream and keeps everything that came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from domain.instrument import Instrument
from domain.tick import Tick
from providers.base import FeedEvent, FeedEventKind, Provider, StreamEvent


class Collector:
    def __init__(self, provider: Provider, instruments: Iterable[Instrument]) -> None:
        self.stream = provider.stream()
        self.stream.set_instruments(instruments)
        self.batches: list[list[StreamEvent]] = []
        self._arriving = aiter(self.stream)

    @property
    def events(self) -> list[StreamEvent]:
        return [event for batch in self.batches for event in batch]

    async def until(self, is_done: Callable[[Collector], bool], seconds: float = 15) -> None:
        async with asyncio.timeout(seconds):
            while not is_done(self):
                self.batches.append(await anext(self._arriving))

    async def close(self) -> None:
        """Close the stream and take in what had arrived."""
        await self.stream.close()
        self.batches.extend([batch async for batch in self._arriving])

    def ticks(self, symbol: str | None = None) -> list[Tick]:
        return [event for event in self.events if isinstance(event, Tick) and symbol in (None, event.symbol)]

    def told(self, kind: FeedEventKind, symbol: str | None = None) -> list[FeedEvent]:
        return [
            event
            for event in self.events
            if isinstance(event, FeedEvent) and event.kind is kind and symbol in (None, event.symbol)
        ]

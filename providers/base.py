"""Provider: what every source of market data meets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from domain.bar import Bar
from domain.instrument import Instrument
from domain.interval import Interval
from domain.tick import Quote, Tick


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider can do, so that nothing beyond it is asked.

    ``window_bars``: how many bars back from now history reaches (None: no limit); ``page_bars``: most bars an
    answer holds. ``ticks_are_trades`` is False where quotes merge several trades into one update, so that
    minutes need history to become final.
    """

    intervals: frozenset[Interval] = field(default_factory=lambda: frozenset(Interval))
    window_bars: int | None = None
    page_bars: int = 5_000
    ticks_are_trades: bool = False


class SymbolMatch(NamedTuple):
    """One answer of a symbol search."""

    symbol: str
    name: str
    type: str
    exchange: str
    currency: str


class FeedEventKind(StrEnum):
    """What may happen to a feed; every one carries its reason."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"  # with the reason; `retry_in_seconds` tells when we try again
    SUBSCRIBED = "subscribed"  # the first full quote of a symbol after (re)subscribing: the volume baseline is set
    SYMBOL_ERROR = "symbol_error"  # this symbol is refused; the others go on
    DELAYED = "delayed"  # the feed of this symbol is late by `delay_seconds`
    GAP_VOLUME = "gap_volume"  # volume that passed while we were away; belongs to the gap, to no tick
    CORRECTION = "correction"  # cumulative volume went down without being a reset
    GARBAGE = "garbage"  # something unreadable was skipped
    PROBED = "probed"  # the provider answered a probe: quiet, not dead


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEvent:
    """Something that happened to a feed, at ``time`` (aware, UTC); to one symbol, or to all if ``symbol`` is None."""

    kind: FeedEventKind
    time: datetime
    symbol: str | None = None
    reason: str = ""
    delay_seconds: int = 0
    volume: float = 0.0
    retry_in_seconds: float | None = None


StreamEvent = Tick | Quote | FeedEvent


class Stream(Protocol):
    """A running feed. It connects, re-connects and re-subscribes by itself until closed."""

    def set_instruments(self, instruments: Iterable[Instrument]) -> None:
        """What should be followed from now on; the stream subscribes and unsubscribes to match."""

    def __aiter__(self) -> AsyncIterator[list[StreamEvent]]:
        """Events in the order they arrived, a list for each message of the wire."""

    async def close(self) -> None:
        """End the feed; iteration stops."""


class Provider(Protocol):
    """A source of market data. Blocking calls but for the stream; errors say whether to retry (domain.errors)."""

    name: str
    capabilities: Capabilities

    def search(self, text: str, *, limit: int = 30) -> list[SymbolMatch]:
        """Symbols that match ``text``."""

    def resolve(self, symbol: str) -> Instrument:
        """What the provider knows of ``symbol``; ``id`` is 0. Raises UnknownSymbol."""

    def fetch_bars(
        self, instrument: Instrument, interval: Interval, start: datetime, end: datetime
    ) -> Iterator[list[Bar]]:
        """Pages of *closed* bars whose ``open_time`` is in ``[start, end)``, final, keys and spans ours.

        Each page is ascending; pages come newest first where the provider pages backwards. The bar in progress is
        never among them. Raises UnknownSymbol, UnsupportedInterval, ProviderError.
        """

    def stream(self) -> Stream:
        """A feed of ticks, quotes and feed events; nothing is followed before ``set_instruments``."""

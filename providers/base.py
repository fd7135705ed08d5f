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


class BarPage(list[Bar]):
    """Closed bars of one series, ascending.

    ``truncated_before``: there is nothing before this time although it was asked for, for ``reason`` (``beyond the
    provider's window …`` or ``none at provider``). ``remarks`` tell in words what was left out or is odd.
    """

    __slots__ = ("reason", "remarks", "truncated_before")

    def __init__(
        self,
        bars: Iterable[Bar] = (),
        *,
        truncated_before: datetime | None = None,
        reason: str = "",
        remarks: Iterable[str] = (),
    ) -> None:
        super().__init__(bars)
        self.truncated_before = truncated_before
        self.reason = reason
        self.remarks = tuple(remarks)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Where a symbol's feed stood, for a later stream to go on from.

    ``lots`` is the running volume of the session in whole lots, ``lots_per_unit`` of them a unit; ``second`` is the
    time of its last price in seconds since 1970, None where there was none; ``count`` ticks have had their keys.
    """

    symbol: str
    lots: int | None
    lots_per_unit: int
    second: float | None
    count: int


class Stream(Protocol):
    """A running feed. It connects, re-connects and re-subscribes by itself until closed."""

    def set_instruments(self, instruments: Iterable[Instrument]) -> None:
        """What should be followed from now on; the stream subscribes and unsubscribes to match."""

    def __aiter__(self) -> AsyncIterator[list[StreamEvent]]:
        """What arrived since the last list, in that order; after it one ``Quote`` of each symbol that spoke."""

    def baselines(self) -> list[Baseline]:
        """Where the followed symbols stand; once the stream is closed and read to its end, just behind its last event.

        Empty where sizes come with the ticks themselves.
        """

    def restore(self, baselines: Iterable[Baseline]) -> None:
        """Go on from where an earlier stream stood: what passed since is told as ``GAP_VOLUME``. Before following."""

    async def close(self) -> None:
        """End the feed; iteration stops after what had arrived."""


class Provider(Protocol):
    """A source of market data. Blocking calls but for the stream; errors say whether to retry (domain.errors).

    Every method may be called from several threads at once; what befalls one call leaves the others alone. What all
    providers keep to is tested in ``tests/providers/test_contract.py``.
    """

    name: str
    capabilities: Capabilities

    def search(self, text: str, *, limit: int = 30) -> list[SymbolMatch]:
        """At most ``limit`` symbols that match ``text``; none for blank text. Raises ProviderError."""

    def resolve(self, symbol: str) -> Instrument:
        """What the provider knows of ``symbol``; ``id`` is 0. Raises UnknownSymbol, UnknownCalendar, ProviderError."""

    def fetch_bars(
        self, instrument: Instrument, interval: Interval, start: datetime, end: datetime
    ) -> Iterator[BarPage]:
        """Pages of *closed* bars whose ``open_time`` is in ``[start, end)``, final, keys and spans ours.

        Each page is ascending; pages come newest first where the provider pages backwards. The bar in progress is
        never among them. Where history does not reach back to ``start``, the oldest page says so and why, even if
        it holds no bar. Nothing beyond ``capabilities.window_bars`` is asked for or handed out.

        May be called from several threads; an iterator belongs to one. Raises UnknownSymbol, UnsupportedInterval,
        NaiveTime and ProviderError, here or at the first page. A refused or lost connection, a rate limit (with
        ``retry_after_seconds``) and ``close`` are ProviderUnavailable.
        """

    def stream(self) -> Stream:
        """A feed of ticks, quotes and feed events; nothing is followed before ``set_instruments``."""

    def close(self) -> None:
        """Let go of connections, from any thread: calls under way end with ProviderUnavailable, soon.

        The provider may be used again and then makes new ones. Streams are closed by themselves. Harmless twice.
        """

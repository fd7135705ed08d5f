"""What is known of one symbol, and which updates of it are trades.

What makes a tick
-----------------
The provider sends only what changed. After the snapshot, an update is one tick

- if the running volume grew: ``lots`` is the growth, the price the new or the last one; or
- if the price or its time (``lp_time``, whole seconds) changed: a tick of 0 lots unless volume grew too; or
- if the symbol has no volume and the price or its time is *said*, even unchanged: nothing else could tell two
  equal trades of an index within a second.

Everything else (bid or ask alone, a repetition of what is known) makes no tick, only a fresh ``Quote``. Ticks of
one second keep their order of arrival through a counter in their keys, which outlives connections.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import trunc

from msgspec import UNSET, UnsetType

from domain.instrument import Instrument
from domain.tick import SEQ_BITS, Quote, Tick
from providers.base import FeedEvent, FeedEventKind, StreamEvent
from providers.tradingview.days import is_later_day
from providers.tradingview.messages import QuoteFields, TradeFields, delay_of
from providers.tradingview.volume import EXACT_BELOW, MOST_WHOLE, ROUNDER, after_decrease, missed, to_lots

_SECOND_NS = 10**9
_KEYS_A_SECOND = _SECOND_NS << SEQ_BITS


class QuoteState:
    """The merged fields of one symbol; ``update`` takes what came after the snapshot.

    ``second`` is the time of the last price as the provider says it, in seconds since 1970. ``total`` is the running
    volume in lots, None before there is a baseline: a whole number, held as a double where that is exact (below
    ``EXACT_BELOW``) because doubles are cheaper to round, compare and subtract, and as an integer beyond.
    """

    __slots__ = (
        "_corrections", "_count", "_gap_from", "_is_untimed_told", "_lots_per_unit", "_scale", "_second_key", "_symbol",
        "_total_before", "ask", "bid", "delay_seconds", "has_volume", "high", "instrument", "low", "open",
        "prev_close", "price", "second", "total",
    )  # fmt: skip

    def __init__(self, instrument: Instrument) -> None:
        self.price: float | None = None
        self.second: int | None = None
        self.total: float | None = None
        self._total_before: int | None = None  # the last running volume of an earlier subscription
        self._gap_from: float | None = None  # the time of its last price
        # A tick's key: the second, and a counter that goes on, so that keys of one second never repeat. After 2**29
        # ticks it reaches into the nanoseconds, which are not told otherwise.
        self._second_key = self._count = 0
        self._corrections = 0
        self._is_untimed_told = False
        self.bid: float | None = None
        self.ask: float | None = None
        self.open: float | None = None
        self.high: float | None = None
        self.low: float | None = None
        self.prev_close: float | None = None
        self.delay_seconds = instrument.delay_seconds
        self._lots_per_unit, self.has_volume = instrument.lots_per_unit, instrument.has_volume
        self.describe(instrument)

    def describe(self, instrument: Instrument) -> None:
        """Take over what the registry says of the symbol. Volumes in another lot step need another baseline."""
        if (instrument.lots_per_unit, instrument.has_volume) != (self._lots_per_unit, self.has_volume):
            self.total = self._total_before = None
        self.instrument = instrument
        self._symbol = instrument.symbol
        self._lots_per_unit = instrument.lots_per_unit
        self._scale = float(instrument.lots_per_unit)
        self.has_volume = instrument.has_volume

    def quote(self) -> Quote:
        """The merged state."""
        volume = None if self.total is None else self.total / self._lots_per_unit
        time_ns = (self.second or 0) * _SECOND_NS
        return Quote(
            self._symbol,
            time_ns,
            self.price,
            self.bid,
            self.ask,
            volume,
            self.prev_close,
            self.open,
            self.high,
            self.low,
        )

    def update(self, fields: QuoteFields, now_ns: int, events: list[StreamEvent]) -> None:
        """Merge what came after the snapshot."""
        self.trade(fields, now_ns, events)
        self._update_day(fields, now_ns, events)

    # It runs for every trade, and a call would cost more than the branch that it hides: hence so many of them. trunc()
    # of a float is int() at less than half its cost.
    def trade(self, fields: TradeFields, now_ns: int, events: list[StreamEvent]) -> None:  # noqa: C901, PLR0915
        """Merge what nearly every update is made of; a trade becomes a tick."""
        lots = 0
        volume = fields.volume
        if volume is not UNSET:
            before = self.total
            if before is None or volume is None:
                self._first_volume(fields, now_ns, events)
            else:
                total = volume * self._scale
                if total < EXACT_BELOW:
                    total = total + ROUNDER - ROUNDER
                elif total > MOST_WHOLE or volume % 1:
                    total = -1.0  # beyond what doubles tell exactly
                if total >= before:
                    self.total = total
                    lots = trunc(total - before)
                else:
                    lots = self._other_volume(fields, volume, now_ns, events)
        price, second = fields.lp, fields.lp_time
        if second is not UNSET and second != self.second:
            self.second = second
            self._second_key = (second or 0) * _KEYS_A_SECOND
            if price is UNSET:
                price = self.price
            else:
                self.price = price
        elif price is not UNSET and price != self.price:
            self.price = price
        elif lots or not (self.has_volume or price is second is UNSET):
            price = self.price
        else:
            price = UNSET  # nothing that is not known already: no trade
        if price is not UNSET:
            if price is None or self.second is None:
                self._postpone(lots, now_ns, events)
            else:
                self._count = count = self._count + 1
                events.append(Tick(self._symbol, self._second_key + count, price, lots))
        if fields.bid is not UNSET:
            self.bid = fields.bid
        if fields.ask is not UNSET:
            self.ask = fields.ask

    def _first_volume(self, fields: TradeFields, now_ns: int, events: list[StreamEvent]) -> None:
        """The running volume without a baseline, or none at all: it tells of no trade."""
        if isinstance(fields.volume, float) and self.has_volume:
            total = to_lots(fields.volume, self._lots_per_unit)
            self._set_baseline(total, self._second_of(fields), now_ns, events)

    def _other_volume(self, fields: TradeFields, volume: float, now_ns: int, events: list[StreamEvent]) -> int:
        """The running ``volume`` is huge or went down; returns the lots traded."""
        before, total = int(self.total or 0), to_lots(volume, self._lots_per_unit)
        self.total = total
        if total >= before:
            return total - before
        lots, taken_back = after_decrease(before, total, lambda: self._is_new_day(self.second, self._second_of(fields)))
        if taken_back:
            self._corrections += 1
            count = self._corrections
            if count & (count - 1) == 0:  # told at 1, 2, 4, 8, …: some venues serve a rolling figure
                reason = f"the day's volume went down, {count} times so far"
                self._tell(FeedEventKind.CORRECTION, now_ns, events, lots=taken_back, reason=reason)
        return lots

    def _set_baseline(self, total: int, second: float | None, now_ns: int, events: list[StreamEvent]) -> None:
        """``second``: the time of the price that this running volume came with."""
        before, self._total_before, self.total = self._total_before, None, total
        if before is not None:
            lots = missed(before, total, lambda: self._is_new_day(self._gap_from, second))
            if lots:
                self._tell(FeedEventKind.GAP_VOLUME, now_ns, events, lots=lots, reason="traded while away")

    def _postpone(self, lots: int, now_ns: int, events: list[StreamEvent]) -> None:
        """A trade without a price or a time: its lots are left for the first tick that has both."""
        if self.total is not None:
            self.total -= lots
        if self.price is not None and not self._is_untimed_told:
            self._is_untimed_told = True
            reason = "prices come without a time, so they make no ticks"
            self._tell(FeedEventKind.GARBAGE, now_ns, events, reason=reason)

    def _update_day(self, fields: QuoteFields, now_ns: int, events: list[StreamEvent]) -> None:
        if fields.open_price is not UNSET:
            self.open = fields.open_price
        if fields.high_price is not UNSET:
            self.high = fields.high_price
        if fields.low_price is not UNSET:
            self.low = fields.low_price
        if fields.prev_close_price is not UNSET:
            self.prev_close = fields.prev_close_price
        if fields.update_mode is not UNSET:
            delay = delay_of(fields.update_mode)
            if delay != self.delay_seconds:
                self.delay_seconds = delay
                self._tell(FeedEventKind.DELAYED, now_ns, events, reason=f"update mode {fields.update_mode}")

    def _move_to(self, second: int | None) -> None:
        self.second = second
        self._second_key = (second or 0) * _KEYS_A_SECOND

    def _total_of(self, volume: float | UnsetType | None) -> int | None:
        return to_lots(volume, self._lots_per_unit) if isinstance(volume, float) and self.has_volume else None

    def _second_of(self, fields: TradeFields) -> int | None:
        """The time of the price once ``fields`` are merged."""
        return self.second if fields.lp_time is UNSET else fields.lp_time

    def _is_new_day(self, before: float | None, after: float | None) -> bool:
        """Whether a session boundary lies between the prices at ``before`` and ``after``."""
        return (
            before is not None and after is not None and is_later_day(self.instrument.calendar, int(before), int(after))
        )

    def _tell(
        self, kind: FeedEventKind, now_ns: int, events: list[StreamEvent], *, reason: str = "", lots: float = 0
    ) -> None:
        event = FeedEvent(
            kind=kind,
            time=datetime.fromtimestamp(now_ns / _SECOND_NS, UTC),
            symbol=self._symbol,
            reason=reason,
            volume=lots / self._lots_per_unit,
            delay_seconds=self.delay_seconds,
        )
        events.append(event)

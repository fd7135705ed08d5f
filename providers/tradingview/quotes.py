"""One symbol's quote: partial updates merged, and what of them is a trade.

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

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from msgspec import UNSET, UnsetType

from domain.instrument import Instrument
from domain.tick import Quote, Tick, tick_key
from providers.base import FeedEvent, FeedEventKind, StreamEvent
from providers.tradingview.days import is_later_day
from providers.tradingview.messages import QuoteFields, delay_of, quote_head
from providers.tradingview.rhythm import Rhythm
from providers.tradingview.volume import EXACT_BELOW, after_decrease, missed, to_lots

_SECOND_NS = 10**9
# A tuple made directly costs two thirds of calling the class, and there is one for nearly every message.
_make_tick: Callable[[tuple[str, int, float, int]], Tick] = partial(tuple.__new__, Tick)


class SymbolQuote:
    """What is known of one symbol. Lives as long as the symbol is followed, over any number of connections.

    ``total`` is the running volume in lots, None before there is a baseline.
    """

    __slots__ = (
        "_corrections", "_gap_from", "_is_untimed_told", "_key", "_lots_per_unit", "_scale", "_since", "_symbol",
        "_told_second", "_total_before", "ask", "bid", "delay_seconds", "failed", "has_volume", "head", "high",
        "instrument", "is_completed", "is_settled", "is_touched", "low", "name", "open", "prev_close", "price",
        "retry_at_ns", "rhythm", "second", "session_id", "total",
    )  # fmt: skip

    def __init__(self, instrument: Instrument) -> None:
        self.name = instrument.provider_code  # the provider's key, verbatim
        self.session_id = self.failed = ""
        self.head = b""  # how this subscription's updates begin
        self.price: float | None = None
        self.second: int | None = None
        self._told_second: float | None = None
        self.total: int | None = None
        self._total_before: int | None = None  # the last running volume of an earlier subscription
        self._gap_from: int | None = None  # the time of its last price
        self._key = 0  # of the last tick
        self._since = self._corrections = self.retry_at_ns = 0
        self.bid: float | None = None
        self.ask: float | None = None
        self.open: float | None = None
        self.high: float | None = None
        self.low: float | None = None
        self.prev_close: float | None = None
        self.delay_seconds = instrument.delay_seconds
        self.is_completed = self.is_settled = self.is_touched = self._is_untimed_told = False
        self.rhythm = Rhythm()
        self.describe(instrument)

    def describe(self, instrument: Instrument) -> None:
        """Take over what the registry says of the symbol."""
        self.instrument = instrument
        self._symbol = instrument.symbol
        self._lots_per_unit = instrument.lots_per_unit
        self._scale = float(instrument.lots_per_unit)
        self.has_volume = instrument.has_volume

    def begin(self, session_id: str, now_ns: int) -> None:
        """A new subscription: what comes next is a snapshot, which makes no tick."""
        self.session_id, self.head = session_id, quote_head(session_id, self.name)
        self.failed = ""
        self.is_completed = self.is_settled = False
        self._since = now_ns // _SECOND_NS - self.delay_seconds
        if self.second is not None:
            self._gap_from = self.second
        if self.total is not None:
            self._total_before = self.total
        self.price = self.second = self._told_second = self.total = None
        self.rhythm.begin(now_ns)

    def receive(self, fields: QuoteFields, now_ns: int, events: list[StreamEvent]) -> None:
        """Merge ``fields``; adds to ``events`` what they tell."""
        if self.is_settled:
            self.update(fields, now_ns, events)
        else:
            self._snapshot(fields, now_ns, events)

    def complete(self, now_ns: int, events: list[StreamEvent]) -> None:
        """The provider says that the snapshot is whole (``quote_completed``)."""
        if not self.is_completed:
            self.is_completed = True
            self._tell(FeedEventKind.SUBSCRIBED, now_ns, events, lots=self.total or 0)
            self._settle(now_ns, events)

    def fail(self, reason: str, now_ns: int, retry_at_ns: int, events: list[StreamEvent]) -> None:
        """The provider refuses this symbol; asked again at ``retry_at_ns``."""
        self.failed, self.retry_at_ns = reason, retry_at_ns
        self.is_settled = False
        self._tell(FeedEventKind.SYMBOL_ERROR, now_ns, events, reason=reason)

    def drop(self) -> None:
        """Not followed any more: whatever still comes is ignored."""
        self.is_settled = False
        self.session_id = ""

    def is_behind(self, fields: QuoteFields) -> bool:
        """Whether a fresh answer of the provider knows of a trade that we were not told."""
        if isinstance(fields.lp_time, float) and fields.lp_time > (self.second or 0):
            return True
        total = self._total_of(fields.volume)
        return total is not None and total > (self.total or 0)

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

    # The snapshot: everything up to `quote_completed`, which may come in pieces.

    def _snapshot(self, fields: QuoteFields, now_ns: int, events: list[StreamEvent]) -> None:
        if self._is_contradicted(fields):
            # A piece of the snapshot never changes what an earlier piece said: this is the first update.
            self.complete(now_ns, events)
            self.update(fields, now_ns, events)
        elif self.is_completed and self._is_first_trade(fields):
            self.is_settled = True
            self.update(fields, now_ns, events)
        else:
            self._absorb(fields, now_ns, events)
            if self.is_completed:
                self._settle(now_ns, events)

    def _is_contradicted(self, fields: QuoteFields) -> bool:
        if self.price is None or self.second is None:
            return False
        total = self._total_of(fields.volume)
        return (
            (isinstance(fields.lp, float) and fields.lp != self.price)
            or (isinstance(fields.lp_time, float) and fields.lp_time != self.second)
            or (total is not None and self.total is not None and total != self.total)
        )

    def _is_first_trade(self, fields: QuoteFields) -> bool:
        """Whether the first price after a snapshot without one is a trade of now rather than an old price."""
        is_priced = isinstance(fields.lp, float) and isinstance(fields.lp_time, float)
        return is_priced and fields.lp_time >= self._since  # type: ignore[operator]  # a float, as just checked

    def _absorb(self, fields: QuoteFields, now_ns: int, events: list[StreamEvent]) -> None:
        if fields.lp is not UNSET:
            self.price = fields.lp
        if fields.lp_time is not UNSET:
            self._move_to(fields.lp_time)
        if fields.volume is not UNSET:
            self.total = self._total_of(fields.volume)
        self._update_rest(fields, now_ns, events)

    def _settle(self, now_ns: int, events: list[StreamEvent]) -> None:
        """The snapshot is over if there is a price to start from."""
        if self.price is not None:
            self.is_settled = True
            if self.total is not None:
                self._set_baseline(self.total, now_ns, events)

    def _set_baseline(self, total: int, now_ns: int, events: list[StreamEvent]) -> None:
        before, self._total_before, self.total = self._total_before, None, total
        if before is not None:
            lots = missed(before, total, lambda: self._is_new_day(self._gap_from))
            if lots:
                self._tell(FeedEventKind.GAP_VOLUME, now_ns, events, lots=lots, reason="traded while away")

    # Updates. They run for every trade of every symbol, so what nearly always happens is written out here.

    def update(self, fields: QuoteFields, now_ns: int, events: list[StreamEvent]) -> None:
        """Merge what came after the snapshot."""
        is_trade, lots, second_before = False, 0, self.second
        price, second, volume = fields.lp, fields.lp_time, fields.volume
        if price is not UNSET and price != self.price:
            self.price, is_trade = price, True
        if second is not UNSET and second != self._told_second:
            self._move_to(second)
            is_trade = True
        if volume is not UNSET and volume is not None and self.has_volume:
            scaled = volume * self._scale
            total = int(scaled + 0.5) if scaled < EXACT_BELOW else to_lots(volume, self._lots_per_unit)
            before = self.total
            if before is not None and total >= before:
                self.total, lots = total, total - before
            else:
                lots = self._restart_volume(total, second_before, now_ns, events)
        if is_trade or lots or not (self.has_volume or price is second is UNSET):
            if self.price is None or self.second is None:
                self._postpone(lots, now_ns, events)
            else:
                self._key = key = self._key + 1
                events.append(_make_tick((self._symbol, key, self.price, lots)))
        if not (
            fields.bid is fields.ask is fields.high_price is fields.low_price is UNSET
            and fields.open_price is fields.prev_close_price is fields.update_mode is UNSET
        ):
            self._update_rest(fields, now_ns, events)

    def _restart_volume(self, total: int, second_before: int | None, now_ns: int, events: list[StreamEvent]) -> int:
        """The running volume is said for the first time, or went down, to ``total``; returns the lots traded."""
        if self.total is None:
            self._set_baseline(total, now_ns, events)
            return 0
        lots, taken_back = after_decrease(self.total, total, lambda: self._is_new_day(second_before))
        self.total = total
        if taken_back:
            self._corrections += 1
            count = self._corrections
            if count & (count - 1) == 0:  # told at 1, 2, 4, 8, …: some venues serve a rolling figure
                reason = f"the day's volume went down, {count} times so far"
                self._tell(FeedEventKind.CORRECTION, now_ns, events, lots=taken_back, reason=reason)
        return lots

    def _postpone(self, lots: int, now_ns: int, events: list[StreamEvent]) -> None:
        """A trade without a price or a time: its lots are left for the first tick that has both."""
        if self.total is not None:
            self.total -= lots
        if self.price is not None and not self._is_untimed_told:
            self._is_untimed_told = True
            reason = "prices come without a time, so they make no ticks"
            self._tell(FeedEventKind.GARBAGE, now_ns, events, reason=reason)

    def _update_rest(self, fields: QuoteFields, now_ns: int, events: list[StreamEvent]) -> None:
        if fields.bid is not UNSET:
            self.bid = fields.bid
        if fields.ask is not UNSET:
            self.ask = fields.ask
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

    def _move_to(self, second: float | None) -> None:
        """Times are whole seconds; the counter in the key goes on, so that keys of one second never repeat."""
        self._told_second = second  # as it came: comparing doubles is cheaper than a double with an integer
        self.second = None if second is None else int(second)
        self._key = tick_key((self.second or 0) * _SECOND_NS, self._key)

    def _total_of(self, volume: float | UnsetType | None) -> int | None:
        return to_lots(volume, self._lots_per_unit) if isinstance(volume, float) and self.has_volume else None

    def _is_new_day(self, before: int | None) -> bool:
        """Whether a session boundary lies between the price at ``before`` and the present one."""
        if before is None or self.second is None:
            return False
        return is_later_day(self.instrument.calendar, before, self.second)

    def _tell(
        self, kind: FeedEventKind, now_ns: int, events: list[StreamEvent], *, reason: str = "", lots: int = 0
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

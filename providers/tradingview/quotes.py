"""One symbol's subscriptions, one after another: snapshot, updates, refusals.

What came after the snapshot, and which of it is a trade: ``quote_state.py``.
"""

from __future__ import annotations

from msgspec import UNSET

from domain.instrument import Instrument
from providers.base import Baseline, FeedEventKind, StreamEvent
from providers.tradingview.messages import QuoteFields, quote_head
from providers.tradingview.quote_state import QuoteState
from providers.tradingview.rhythm import Rhythm

_SECOND_NS = 10**9


class SymbolQuote(QuoteState):
    """Lives as long as the symbol is followed, over any number of connections.

    ``is_settled``: the snapshot is over and there is a price to start from, so everything that comes is an update.
    """

    __slots__ = (
        "_since", "failed", "head", "is_completed", "is_settled", "is_touched", "name", "retry_at_ns", "rhythm",
        "session_id",
    )  # fmt: skip

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.name = instrument.provider_code  # the provider's key, verbatim
        self.session_id = self.failed = ""
        self.head = b""  # how this subscription's updates begin
        self._since = self.retry_at_ns = 0
        self.is_completed = self.is_settled = self.is_touched = False
        self.rhythm = Rhythm()

    def begin(self, session_id: str, now_ns: int) -> None:
        """A new subscription: what comes next is a snapshot, which makes no tick."""
        self.session_id, self.head = session_id, quote_head(session_id, self.name)
        self.failed = ""
        self.is_completed = self.is_settled = False
        self._since = now_ns // _SECOND_NS - self.delay_seconds
        if self._total_before is None:  # else the last subscription ended before its snapshot was whole
            self._gap_from = self.second
            self._total_before = None if self.total is None else int(self.total)
        self.price = self.second = self.total = None
        self.rhythm.begin(now_ns)

    def baseline(self) -> Baseline:
        """Where this symbol stands; while its snapshot is not whole, where its last subscription stood."""
        total: float | None = self.total
        second: float | None = self.second
        if self._total_before is not None:
            total, second = self._total_before, self._gap_from
        return Baseline(
            symbol=self.instrument.symbol,
            lots=None if total is None else int(total),
            lots_per_unit=self._lots_per_unit,
            second=second,
            count=self._count,
        )

    def restore(self, baseline: Baseline) -> None:
        """Go on as if the subscription before this one had ended at ``baseline``."""
        self._count = max(self._count, baseline.count)
        if baseline.lots_per_unit == self._lots_per_unit and self.has_volume:
            self._total_before, self._gap_from = baseline.lots, baseline.second

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
        if isinstance(fields.lp_time, int) and fields.lp_time > (self.second or 0):
            return True
        total = self._total_of(fields.volume)
        return total is not None and total > (self.total or 0)

    # The snapshot: everything up to `quote_completed`, which may come in pieces.

    def _snapshot(self, fields: QuoteFields, now_ns: int, events: list[StreamEvent]) -> None:
        if self._is_contradicted(fields):
            # A piece of the snapshot never changes what an earlier piece said: this is the first update.
            self.complete(now_ns, events)
            self.update(fields, now_ns, events)
        elif self.is_completed and self._is_first_trade(fields):
            self._begin_from_here(now_ns, events)
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
            or (isinstance(fields.lp_time, int) and fields.lp_time != self.second)
            or (total is not None and self.total is not None and total != self.total)
        )

    def _is_first_trade(self, fields: QuoteFields) -> bool:
        """Whether the first price after a snapshot without one is a trade of now rather than an old price."""
        is_priced = isinstance(fields.lp, float) and isinstance(fields.lp_time, int)
        return is_priced and fields.lp_time >= self._since  # type: ignore[operator]  # a number, as just checked

    def _absorb(self, fields: QuoteFields, now_ns: int, events: list[StreamEvent]) -> None:
        if fields.lp is not UNSET:
            self.price = fields.lp
        if fields.lp_time is not UNSET:
            self._move_to(fields.lp_time)
        if fields.volume is not UNSET:
            self.total = self._total_of(fields.volume)
        if fields.bid is not UNSET:
            self.bid = fields.bid
        if fields.ask is not UNSET:
            self.ask = fields.ask
        self._update_day(fields, now_ns, events)

    def _settle(self, now_ns: int, events: list[StreamEvent]) -> None:
        """The snapshot is over if there is a price to start from."""
        if self.price is not None:
            self._begin_from_here(now_ns, events)

    def _begin_from_here(self, now_ns: int, events: list[StreamEvent]) -> None:
        self.is_settled = True
        if self.total is not None:
            self._set_baseline(int(self.total), self.second, now_ns, events)

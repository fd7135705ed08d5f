"""Saving closed bars, and what follows from it: who is told of what was saved, and of what could not be."""

from __future__ import annotations

from domain.bar import Bar, BarState
from domain.errors import StoreUnavailable
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.mongo import database
from marketdata.repository import BarRepository
from quotes.audit import AuditTrail
from quotes.handover import Handover
from quotes.publish import Publisher
from quotes.writer import Series


def open_repository() -> BarRepository | None:
    """In the thread that asks: the store, or None while it is away."""
    try:
        return BarRepository(database())
    except StoreUnavailable:
        return None


def save(instrument: Instrument, interval: Interval, bars: list[Bar]) -> None:
    """Blocking. Raises StoreUnavailable."""
    BarRepository(database()).save(instrument, interval, bars)


class Consequences:
    """The writer's callbacks."""

    def __init__(self, *, publisher: Publisher, audit: AuditTrail, handover: Handover) -> None:
        self._publisher, self._audit, self._handover = publisher, audit, handover

    def saved(self, series: Series, bars: list[Bar], was_late: bool) -> None:
        """Browsers fetch again what history replaced, and what they could not find while the store was away."""
        self._handover.acknowledged(bars)
        told = [bar.open_time for bar in bars if was_late or bar.state is BarState.FINAL]
        if told:
            self._publisher.history(series[0].symbol, series[1].value, min(told), max(told))

    def lost(self, series: Series, bar: Bar) -> None:
        reason = "the store was away for too long and memory was full"
        self._publisher.gap(bar.symbol, bar.starts_at, bar.close_time, reason)
        self._audit.note("lost", symbol=bar.symbol, reason=f"{bar.interval} {bar.open_time.isoformat()}: {reason}")

"""When the oldest bar that a series lacks leaves the provider's window: what is lost first is asked for first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from domain.errors import InvalidRequest, StoreUnavailable
from domain.interval import Interval
from marketdata.collections import SERIES
from marketdata.documents import seconds
from marketdata.mongo import database, unavailable
from marketdata.spans import nominal
from symbols.models import Symbol
from symbols.sources import provider_named

log = structlog.get_logger(__name__)
_NEVER = 1 << 40


def deadlines(wanted: Sequence[tuple[Symbol, Interval]], now: datetime) -> list[int]:
    """Epoch seconds, by nominal lengths, for each series: a closed market only makes them later.

    Of a series that is stored until yesterday the next bar is lost when the window has moved on to it; of one of which
    nothing is stored the oldest bar is lost with the next one.
    """
    last = _last_keys(wanted)
    windows = {name: _window_bars(name) for name in {symbol.provider for symbol, _ in wanted}}
    found = []
    for symbol, interval in wanted:
        start, end = nominal(interval, 0)
        length, window = end - start, windows[symbol.provider]
        stored_until = last.get(f"{symbol.pk}:{interval.value}")
        if window is None:
            found.append(_NEVER)
        elif stored_until is None:
            found.append(seconds(now) + length)
        else:
            found.append(stored_until + length * window)
    return found


def _last_keys(wanted: Sequence[tuple[Symbol, Interval]]) -> dict[str, int]:
    """The newest key of each series that is stored, by the identity of its document."""
    ids = [f"{symbol.pk}:{interval.value}" for symbol, interval in wanted]
    try:
        with unavailable():
            found = database()[SERIES].find({"_id": {"$in": ids}}, projection={"last": 1})
            return {document["_id"]: seconds(document["last"]) for document in found}
    except StoreUnavailable as error:
        log.info("deadlines_not_known", reason=str(error))  # the order is then that of the intervals
        return {}


def _window_bars(provider: str) -> int | None:
    try:
        return provider_named(provider).capabilities.window_bars
    except InvalidRequest:
        return None

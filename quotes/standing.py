"""What a newcomer reads in Redis of each symbol, as the streamer knows it: gathered until it is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from domain.bar import Bar
from domain.tick import Quote
from quotes import messages
from quotes.cache import Changes
from quotes.recent import RecentBars
from quotes.status import Status

_KEEP_SECONDS = 0.25  # quotes and forming bars go to Redis at most 4 times a second a symbol

Series = tuple[str, str]  # symbol and interval; "quote" in place of an interval


class Known(NamedTuple):
    """A quote or forming bar, and the moment at which it was the latest."""

    value: Quote | Bar
    as_of: datetime


class Standing:
    """``take`` what changed and write it; ``everything`` after Redis was away, which may come back empty."""

    def __init__(self, epoch: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._epoch, self._clock = epoch, clock
        self._changes = Changes()
        self._statuses: dict[str, tuple[Status, datetime]] = {}
        self._closed = RecentBars()
        self._to_keep: dict[Series, Known] = {}
        self._kept: dict[Series, Known] = {}
        self._next_keep = 0.0

    def __len__(self) -> int:
        return len(self._statuses)

    def closed(self, bar: Bar, state: str, seq: int) -> None:
        """A bar closed, or a closed one was amended, in message ``seq`` of its symbol."""
        symbol, interval = bar.symbol, bar.interval.value
        self._closed.add(bar, state)
        self._state(symbol, seq)[f"closed.{interval}"] = self._closed.array(symbol, interval)

    def ended(self, symbol: str, interval: str) -> None:
        """The forming bar of this series has closed."""
        key = symbol, interval
        self._to_keep.pop(key, None)
        self._kept.pop(key, None)
        self._changes.ended.setdefault(symbol, set()).add(interval)

    def status(self, symbol: str, status: Status, as_of: datetime, seq: int) -> None:
        self._statuses[symbol] = status, as_of
        self._state(symbol, seq)["status"] = messages.encode(messages.status_fields(status, as_of))

    def numbered(self, symbol: str, seq: int) -> None:
        """Another message that counts."""
        self._state(symbol, seq)

    def latest(self, key: Series, value: Quote | Bar) -> None:
        """The newest quote or forming bar of a series."""
        self._to_keep[key] = Known(value, datetime.now(UTC))

    def forget(self, symbol: str) -> None:
        """The symbol is no longer followed."""
        self._statuses.pop(symbol, None)
        self._closed.forget(symbol)
        for table in (self._to_keep, self._kept):
            for key in [key for key in table if key[0] == symbol]:
                del table[key]

    def take(self) -> Changes:
        """What is to be written now."""
        changes, self._changes = self._changes, Changes()
        if self._to_keep and self._clock() >= self._next_keep:
            self._next_keep = self._clock() + _KEEP_SECONDS
            kept, self._to_keep = self._to_keep, {}
            self._kept.update(kept)
            _keep(kept, changes)
        return changes

    def everything(self, seqs: Mapping[str, int]) -> Changes:
        """All that newcomers read, each with the moment from which it is."""
        changes = Changes()
        for symbol, (status, as_of) in self._statuses.items():
            fields = {"epoch": self._epoch, "seq": seqs[symbol]}
            text = messages.encode(messages.status_fields(status, as_of))
            closed = {f"closed.{i}": self._closed.array(symbol, i) for i in self._closed.intervals(symbol)}
            changes.state[symbol] = {**fields, "status": text, **closed}
        _keep(self._kept, changes)
        return changes

    def drop(self) -> None:
        """Redis is away: nothing waits for it, ``everything`` is written when it is back."""
        self._kept.update(self._to_keep)
        self._to_keep.clear()
        self._changes = Changes()

    def _state(self, symbol: str, seq: int) -> dict[str, Any]:
        fields = self._changes.state.setdefault(symbol, {})
        fields["epoch"], fields["seq"] = self._epoch, seq
        return fields


def _keep(known: Mapping[Series, Known], changes: Changes) -> None:
    for (symbol, what), (value, as_of) in known.items():
        if isinstance(value, Quote):
            changes.quotes[symbol] = messages.encode(messages.quote_fields(value, as_of))
        else:
            fields = {**messages.bar_fields(value), "state": "forming", "as_of": as_of}
            changes.forming.setdefault(symbol, {})[what] = messages.encode(fields)

"""What a recording may hold and seldom means: taken as it is, and said aloud."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

_OLDEST_NS = 10**17  # March 1973: what lies nearer to 1970 is in milliseconds or microseconds, most likely
_NS = 10**9

Place = Callable[[int], str]  # of the tick at an index: its file and line


class Doubts:
    """Counts odd ticks and remembers where the first one of each kind stands."""

    def __init__(self) -> None:
        self._early = self._not_positive = 0
        self._first_early = self._first_not_positive = ""

    def look_at(self, time_ns: NDArray[np.int64], prices: NDArray[np.float64], place: Place) -> None:
        """See some ticks, in the order of their lines."""
        if time_ns.min() < _OLDEST_NS:
            odd = _indices(time_ns < _OLDEST_NS)
            if not self._early:
                moment = datetime.fromtimestamp(int(time_ns[odd[0]]) / _NS, UTC)
                self._first_early = f"{place(odd[0])}: a tick of {moment:%Y-%m-%d %H:%M}"
            self._early += len(odd)
        if prices.min() <= 0:
            odd = _indices(prices <= 0)
            if not self._not_positive:
                self._first_not_positive = f"{place(odd[0])}: a price of {prices[odd[0]]:g}"
            self._not_positive += len(odd)

    def words(self) -> list[str]:
        """A line for each kind that there was."""
        lines = []
        if self._early:
            start = self._first_early + _and_more(self._early)
            lines.append(f"{start}: are the times in ts_ns really nanoseconds?")
        if self._not_positive:
            lines.append(f"{self._first_not_positive}{_and_more(self._not_positive)}: taken as written")
        return lines


def _indices(is_odd: NDArray[Any]) -> list[int]:
    return list(np.flatnonzero(is_odd).tolist())


def _and_more(count: int) -> str:
    return f" (and {count - 1:,} more like it)" if count > 1 else ""

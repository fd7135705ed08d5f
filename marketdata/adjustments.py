"""Splits within a series: told from new history, kept with the series, taken into account by whoever reads. Pure.

Bars are kept as they were fetched. One that is older than a split and was fetched before it was known lies on the older
scale, and is brought to the present one when it is read; one that was fetched later says so (``Row.adjusted``). So no
sync, import or late bar, in whatever order they come, leaves a series of two scales.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from domain.bar import Bar, BarSource, BarState
from domain.interval import Interval
from domain.spans import DAY
from domain.splits import FEWEST_BARS, Adjustment, Prices, factor_at, find_factor
from marketdata.documents import Row, instant, seconds
from marketdata.tables import Table

Adjustments = tuple[Adjustment, ...]
Pair = tuple[int, Row, Bar]  # key, what is stored, and what history says now


class Scale(NamedTuple):
    """The splits of a series, as one who reads or writes its bars needs them."""

    adjustments: Adjustments = ()

    def factor(self, row: Row) -> float:
        """What the prices of a stored bar are multiplied by to be on the present scale."""
        return factor_at(self.adjustments[row.adjusted :], row.open_time)

    def mark(self, key: int, source: BarSource) -> int:
        """``Row.adjusted`` of a bar that is written now: streams tell what traded then, all others today's scale."""
        if source is BarSource.STREAM or not self.adjustments:
            return 0
        is_older = any(key < adjustment.before or adjustment.is_open for adjustment in self.adjustments)
        return len(self.adjustments) if is_older else 0

    def is_same(self, key: int, stored: int, written: int) -> bool:
        """Whether two versions of a bar, by their marks, lie on the same scale."""
        return factor_at(self.adjustments[stored:], key) == factor_at(self.adjustments[written:], key)

    def read(self, stored: Table) -> Table:
        """Stored bars on the present scale."""
        return Table.of(map(self.scaled, stored.rows())) if self.adjustments else stored

    def scaled(self, row: Row) -> Row:
        factor = self.factor(row)
        if factor == 1.0:
            return row
        opened, high, low, close = (price * factor for price in row[1:5])
        return row._replace(open=opened, high=high, low=low, close=close, volume=row.volume / factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """New history against what is stored of the same bars.

    ``pairs`` ascend; ``keys``: of all new bars; ``last``: the newest stored key. ``first_later``: the first stored key
    that is not before an open split, if there is one.
    """

    pairs: Sequence[Pair]
    keys: Sequence[int]
    last: int
    interval: Interval
    now: int
    first_later: int | None = None

    def applied(self, scale: Scale) -> Scale:
        """The splits of the series as far as they are known now."""
        latest = scale.adjustments[-1] if scale.adjustments else None
        if latest is not None and latest.is_open:
            return Scale((*scale.adjustments[:-1], self._followed(latest, len(scale.adjustments))))
        known = [(key, scale.scaled(row), bar) for key, row, bar in self.pairs]
        factor = find_factor([(_prices(row), _prices(bar)) for _, row, bar in known if is_history(row, bar)])
        if factor is None:
            return scale
        # Not only bars that history had told before: what a stream built on the older scale is older, too.
        older = max(key for key, row, bar in known if _is_nearer(factor, row, bar))
        found = Adjustment(self._after(older), factor, self.now)
        if known[-1][0] == older < self.last:
            found = found._replace(before=older + self._step, is_open=True)
        return Scale((*scale.adjustments, found))

    def _followed(self, split: Adjustment, mark: int) -> Adjustment:
        """An open split, as far as these bars tell how far it goes. They must begin where knowledge ends."""
        later = [pair for pair in self.pairs if pair[0] >= split.before]
        if not later or later[0][0] != self.first_later:
            return split
        older = None
        for key, row, bar in later:
            if row.adjusted == mark:
                continue  # written since the split was found, it tells nothing
            if not _is_nearer(split.factor, row, bar):
                break
            older = key
        else:
            if later[-1][0] < self.last:
                return split._replace(before=later[-1][0] + self._step)
        return split._replace(before=later[0][0] if older is None else self._after(older), is_open=False)

    def _after(self, older: int) -> int:
        """The key of the next new bar; if there is none, the next that there could be."""
        position = bisect_right(self.keys, older)
        return self.keys[position] if position < len(self.keys) else older + self._step

    @property
    def _step(self) -> int:
        return 60 if self.interval.is_intraday else DAY


def is_history(*versions: Row | Bar) -> bool:
    """Whether history told all of these, so that they say something about its scale."""
    return all(version.state is BarState.FINAL and version.source is BarSource.HISTORY for version in versions)


def is_suspicious(changed: Iterable[tuple[Row, Bar]]) -> bool:
    """Whether so many bars changed that a split is worth looking for."""
    return sum(is_history(row, bar) for row, bar in changed) >= FEWEST_BARS


def _prices(version: Row | Bar) -> Prices:
    return version.open, version.high, version.low, version.close


def _is_nearer(factor: float, row: Row, bar: Bar) -> bool:
    """Whether ``bar`` is rather ``row`` times ``factor`` than ``row``."""
    if row.close <= 0 or bar.close <= 0:
        return False
    ratio = math.log(bar.close / row.close)
    return abs(ratio - math.log(factor)) < abs(ratio)


def encode(adjustments: Adjustments) -> list[dict[str, Any]]:
    """As they stand in the series document."""
    return [
        {"before": instant(split.before), "factor": split.factor, "at": instant(split.found_at)}
        | ({"open": True} if split.is_open else {})
        for split in adjustments
    ]


def decode(documents: Iterable[dict[str, Any]]) -> Adjustments:
    return tuple(
        Adjustment(seconds(split["before"]), split["factor"], seconds(split["at"]), split.get("open", False))
        for split in documents
    )


def described(symbol: str, adjustments: Adjustments) -> list[dict[str, Any]]:
    """For those who read the bars: each split whose factor older bars carry. Times are aware."""
    return [
        {
            "symbol": symbol,
            "before": instant(split.before),
            "factor": split.factor,
            "found_at": instant(split.found_at),
            "is_open": split.is_open,
        }
        for split in adjustments
    ]

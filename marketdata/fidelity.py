"""How well our own bars agree with the provider's history. Pure.

Compared are bars that we closed ourselves and that were whole, when history tells the same bar; once each. Differences
are relative to the larger of both values, so they lie between 0 and 1 (up to 2 where signs differ).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from domain.bar import Bar
from marketdata.documents import Row


class Difference(NamedTuple):
    """Between two versions of a bar: of the price that differs most, and of volume."""

    price: float
    volume: float


def difference(ours: Row, theirs: Bar) -> Difference:
    prices = zip(
        (ours.open, ours.high, ours.low, ours.close), (theirs.open, theirs.high, theirs.low, theirs.close), strict=True
    )
    return Difference(max(_relative(old, new) for old, new in prices), _relative(ours.volume, theirs.volume))


def _relative(old: float, new: float) -> float:
    return abs(old - new) / max(abs(old), abs(new)) if old != new else 0.0


@dataclass(slots=True)
class Comparison:
    """What one transaction compared: to be added to what is known of the series."""

    confirmed: int = 0
    corrected: int = 0
    price_sum: float = 0.0
    price_most: float = 0.0
    volume_sum: float = 0.0
    volume_most: float = 0.0

    def add(self, ours: Row, theirs: Bar, *, is_confirmed: bool) -> None:
        """``is_confirmed``: equal within the tolerance, which then counts as no difference."""
        if is_confirmed:
            self.confirmed += 1
            return
        self.corrected += 1
        price, volume = difference(ours, theirs)
        self.price_sum += price
        self.volume_sum += volume
        self.price_most, self.volume_most = max(self.price_most, price), max(self.volume_most, volume)

    def increments(self) -> dict[str, float]:
        """``$inc`` of the series document."""
        return {
            "confirmed": self.confirmed,
            "corrected": self.corrected,
            "price_sum": self.price_sum,
            "volume_sum": self.volume_sum,
        }

    def maxima(self) -> dict[str, float]:
        """``$max`` of the series document."""
        return {"price_most": self.price_most, "volume_most": self.volume_most}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How well a series that we built agreed with history, over ``compared`` bars.

    ``share`` were confirmed unchanged; None if none was compared. Differences are relative: the largest of all, and the
    mean over all compared bars, those without a difference among them.
    """

    compared: int
    confirmed: int
    price_largest: float
    price_mean: float
    volume_largest: float
    volume_mean: float

    @property
    def share(self) -> float | None:
        return self.confirmed / self.compared if self.compared else None


def parse(document: dict[str, Any]) -> Fidelity:
    """What a series document tells."""
    compared = document["confirmed"] + document["corrected"]
    return Fidelity(
        compared=compared,
        confirmed=document["confirmed"],
        price_largest=document.get("price_most", 0.0),
        price_mean=document.get("price_sum", 0.0) / compared if compared else 0.0,
        volume_largest=document.get("volume_most", 0.0),
        volume_mean=document.get("volume_sum", 0.0) / compared if compared else 0.0,
    )

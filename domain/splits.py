"""Splits: one constant factor between what was stored and what the provider serves now."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

FEWEST_BARS = 3  # that agree on a factor such as 1/7, which prices do not hit by chance; ten times as many if it is odd
_FEWEST_OF_ODD_FACTOR = 30
_SHARE = 0.95
_LEAST_CHANGE = 0.005  # anything smaller is a correction
_LARGEST_TERM = 100  # of a factor written as a fraction: 1/7, 3/2, 1/20
_CLOSE = 5e-4  # how near a median must be to a fraction: prices after a split are rounded

Prices = tuple[float, float, float, float]


class Adjustment(NamedTuple):
    """A split as a series shows it. Bars whose key is before ``before`` (epoch seconds) traded on the older scale;
    times ``factor`` their prices are comparable with the later ones, and their volumes divided by it.

    ``found_at``: epoch second at which history told. ``is_open``: what history told ended before the split did, so
    that later bars may belong to the older scale too; the next sync settles it.
    """

    before: int
    factor: float
    found_at: int = 0
    is_open: bool = False


def find_factor(pairs: Sequence[tuple[Prices, Prices]]) -> float | None:
    """The factor of a split between two versions of the same bars, (stored, new), ascending; None if there is none.

    Bars since the split are the same in both versions, so those at the end that did not change are left aside. Of the
    others nearly all must agree on the factor, within what rounding explains.
    """
    changed = len(pairs)
    while changed and pairs[changed - 1][0] == pairs[changed - 1][1]:
        changed -= 1
    ratios: list[float] = []
    spreads: list[float] = []
    for old, new in pairs[:changed]:
        if min(*old, *new) <= 0:
            return None  # a factor has no meaning where prices cross zero
        own = [after / before for before, after in zip(old, new, strict=True)]
        ratios.append(statistics.fmean(own))
        spreads.append(max(own) / min(own) - 1)
    if len(ratios) < FEWEST_BARS:
        return None
    median = statistics.median(ratios)
    if abs(median - 1) < _LEAST_CHANGE:
        return None
    factor = _as_fraction(median)
    is_odd = factor is None
    factor = median if factor is None else factor
    found = zip(ratios, spreads, strict=True)
    agreeing = sum(abs(ratio / factor - 1) < 0.01 and spread < 0.02 for ratio, spread in found)
    enough = _FEWEST_OF_ODD_FACTOR if is_odd else FEWEST_BARS
    return factor if agreeing >= enough and agreeing >= _SHARE * len(ratios) else None


def _as_fraction(ratio: float) -> float | None:
    """``ratio`` as the quotient of two small whole numbers, if it is near enough to one."""
    near = Fraction(ratio).limit_denominator(_LARGEST_TERM)
    if near <= 0 or near.numerator > _LARGEST_TERM or abs(float(near) / ratio - 1) > _CLOSE:
        return None
    # With large terms something is always near: only one of both may be.
    return float(near) if min(near.numerator, near.denominator) <= 5 else None


def factor_at(adjustments: Sequence[Adjustment], key: int) -> float:
    """What prices of the bar at ``key`` are multiplied by: each split after which it was not fetched again."""
    product = 1.0
    for adjustment in adjustments:
        if key < adjustment.before:
            product *= adjustment.factor
    return product

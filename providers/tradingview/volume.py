"""From a day's running volume to the size of a trade, in whole lots.

The provider says how much was traded today, not how much just now. Each running figure is first scaled to an
integer of lots, and then subtracted: the difference of two doubles rounded afterwards is wrong in nearly every
case at 1e9.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

# Below this a double times the lot step is off by less than half a lot, so rounding gives what its decimal says.
EXACT_BELOW = 1e15
# A whole number of units times the lot step is a whole number, and exact as a double up to here.
MOST_WHOLE = 2.0**53
# x + ROUNDER - ROUNDER is x rounded to a whole double, if x is in [0, 2**51): beside 1.5 * 2**52 a double has no room
# for a fraction. It needs no call, and is a fifth of what round(x) costs.
ROUNDER = 1.5 * 2**52


def to_lots(volume: float, lots_per_unit: int) -> int:
    """A running volume (0 to 1e15) in lots: exactly what its shortest decimal says."""
    scaled = volume * lots_per_unit
    if scaled < EXACT_BELOW:
        return int(scaled + ROUNDER - ROUNDER)
    if volume == int(volume):
        return int(volume) * lots_per_unit
    return round(Decimal(repr(volume)) * lots_per_unit)


def after_decrease(before: int, total: int, is_new_day: Callable[[], bool]) -> tuple[int, int]:
    """The running volume fell from ``before`` to ``total``: (lots traded since, lots taken back).

    It is a reset, counting on from nothing, at a session boundary or when it fell below half; otherwise the
    provider corrected itself, and nothing was traded.
    """
    if total * 2 < before or is_new_day():
        return total, 0
    return 0, before - total


def missed(before: int, total: int, is_new_day: Callable[[], bool]) -> int:
    """Lots that passed between the baseline ``before`` and the next one, ``total``; they belong to no tick.

    Across a reset it is what the new session had traded so far: what was left of the old one cannot be known.
    """
    if total < before:
        return after_decrease(before, total, is_new_day)[0]
    return total if is_new_day() else total - before

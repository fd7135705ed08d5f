"""What becomes of a stored bar when a new version of it arrives. Pure: no store, no clock."""

from __future__ import annotations

import math
from enum import Enum
from typing import NamedTuple

from msgspec.structs import replace

from domain.bar import Bar, BarSource, BarState
from marketdata.documents import Row

# A tick may amend a closed bar for a minute at most; a bar that closed longer ago is settled.
SETTLED_SECONDS = 60
VOLUME_TOLERANCE = 1e-9


class Verdict(Enum):
    KEEP = "keep"  # the stored bar stands
    REPLACE = "replace"  # a newer version of something that was not settled, or a richer one of the same values
    CONFIRM = "confirm"  # history agrees: the provisional bar becomes final
    REVISE = "revise"  # a value that was final or settled changes: the old one is kept beside


class Decision(NamedTuple):
    verdict: Verdict
    bar: Bar


def decide(stored: Row, bar: Bar, *, is_settled: bool, volume_step: float, is_comparable: bool = True) -> Decision:
    """What to do when ``bar`` arrives and ``stored`` is there under the same key.

    Provider history is the authority: it replaces provisional bars and what came from elsewhere; a provisional bar
    never replaces a final one, nor a partial one a whole one of its state. History that agrees (``is_confirmed``)
    writes only if that makes a provisional bar final or tells its trades. ``volume_step`` is the size of one lot. Where
    a split lies between the two versions they are not comparable, and equal values are chance.
    """
    if authority(bar) < authority(stored):
        return Decision(Verdict.KEEP, bar)
    if not (is_comparable and is_confirmed(stored, bar, volume_step=volume_step)):
        settled = stored.state is BarState.FINAL or is_settled
        return Decision(Verdict.REVISE if settled else Verdict.REPLACE, bar)
    if bar.trades is None and stored.trades is not None:
        bar = replace(bar, trades=stored.trades)  # history often does not count trades; what we counted stays
    if stored.state is BarState.PROVISIONAL and bar.state is BarState.FINAL:
        return Decision(Verdict.CONFIRM, bar)
    if stored.trades != bar.trades or (stored.partial and not bar.partial):
        return Decision(Verdict.REPLACE, bar)
    return Decision(Verdict.KEEP, bar)


def is_confirmed(stored: Row, bar: Bar, *, volume_step: float) -> bool:
    """Whether prices are equal to the bit, and volume within 1e-9 of itself or one lot step."""
    return (
        (stored.open, stored.high, stored.low, stored.close) == (bar.open, bar.high, bar.low, bar.close)
        # A lot step is compared with a hair's width more, since 0.3 - 0.2 is not 0.1.
        and math.isclose(stored.volume, bar.volume, rel_tol=VOLUME_TOLERANCE, abs_tol=volume_step * (1 + 1e-6))
    )


def authority(version: Row | Bar) -> int:
    """How much a version of a bar weighs: the lesser never replaces the greater, the later of equals does."""
    if version.state is not BarState.FINAL:
        return 0 if version.partial else 1
    if version.source is BarSource.HISTORY:
        return 4
    return 2 if version.partial else 3

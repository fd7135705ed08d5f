"""The running bar of a coarse interval, put together when somebody looks."""

from __future__ import annotations

from domain.accumulator import Accumulator
from domain.bar import Bar, BarState
from domain.cascade import NO_MINUTE, Cascade
from domain.grid import CHILD_LEVEL, LEVELS
from domain.interval import Interval

_LEVEL_OF = {interval: level for level, interval in enumerate(LEVELS)}


def bar_of(cascade: Cascade, interval: Interval) -> Bar | None:
    """The closed part of the running window, merged with those of its running descendants and the forming minute."""
    level = _LEVEL_OF[interval]
    total: Accumulator | None = None
    for piece in _pieces(cascade, level):
        frame = piece.frame.ancestor(level)
        if frame is None:
            continue  # minutes before the regular session belong to no day
        if total is None:
            total = piece.copy(frame)
        else:
            total.merge(piece)
    return (
        None if total is None or total.last < 0 else total.bar(cascade.symbol, cascade.lots_per_unit, BarState.FORMING)
    )


def _pieces(cascade: Cascade, level: int) -> list[Accumulator]:
    """What is open at ``level`` and below it. All contain the instant up to which things are closed: one window."""
    pieces = []
    while level > 0:
        piece = cascade.open[level]
        if piece is not None:
            pieces.append(piece)
        level = CHILD_LEVEL[level]
    if cascade.minute is not NO_MINUTE:
        cascade.minute.sum_up()
        pieces.append(cascade.minute)
    return pieces

"""Late ticks: what closed is amended while it is not settled; afterwards history must heal it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.accumulator import Accumulator
from domain.bar_events import BarEvent, BarEventKind
from domain.grid import MINUTE_LEVEL, Frame

if TYPE_CHECKING:
    from domain.cascade import Cascade


def take(cascade: Cascade, frame: Frame, key: int, price: float, lots: int) -> bool:
    """Amend the closed bars that ``key`` belongs to. False if they are settled; history must heal them then.

    ``frame`` is the tick's minute; it has closed, or would have if it had had a tick.
    """
    if frame.ready_key + cascade.lateness_key <= cascade.greatest_key():
        cascade.late += 1
        cascade.healing[cascade.symbol, frame.start] = None
        return False
    if cascade.fresh:
        cascade.known_key = frame.end_key
        cascade.fresh = False
    cascade.amended += 1
    cascade.closed_ticks += 1
    if key > cascade.greatest:
        cascade.greatest = key
    _amend(cascade, frame, Accumulator.of_tick(frame, key, price, lots))
    return True


def _amend(cascade: Cascade, frame: Frame, tick: Accumulator) -> None:
    """Merge ``tick`` into the closed bar of ``frame`` and on into its parents, up to those still open."""
    closed = cascade.find_pending(frame)
    if closed is not None:
        closed.merge(tick)
        cascade.events.append(BarEvent(BarEventKind.AMENDED, cascade.bar_of(closed)))
    else:
        if frame.start_key < cascade.known_key:
            tick.partial = True
        _close_late(cascade, tick.copy(frame))
    for above in frame.parents:
        if above.end_key > cascade.seeded_key > tick.first:
            continue  # its history holds this tick already
        parent = cascade.open[above.level]
        if above.end_key <= cascade.closed_key:
            _amend(cascade, above, tick)
        elif parent is None:
            cascade.open[above.level] = tick.copy(above)
        else:
            parent.merge(tick)


def _close_late(cascade: Cascade, closed: Accumulator) -> None:
    """A window that had no bar when its time was over gets one now."""
    cascade.events.append(BarEvent(BarEventKind.CLOSED, cascade.bar_of(closed)))
    pending = cascade.pending
    position = len(pending)
    while position and pending[position - 1].frame.ready_key > closed.frame.ready_key:
        position -= 1
    pending.insert(position, closed)
    if closed.frame.level == MINUTE_LEVEL:
        cascade.keep_minute(closed)

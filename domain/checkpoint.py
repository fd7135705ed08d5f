"""Checkpoint: what the fold has not finished, as JSON, and back.

Tick keys and lots are written as text: they have up to 90 bits, and not every JSON library keeps more than 64.
Windows are written as level and start; their bounds come from the calendar again, which may have learned more.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Any

from domain.accumulator import UNKNOWN_TRADES, Accumulator
from domain.cascade import NO_MINUTE, Cascade
from domain.grid import LEVEL_COUNT, MINUTE_LEVEL, Grid

VERSION = 1
_KEYS = ("closed_key", "dropped_key", "greatest", "known_key", "seeded_key")
_COUNTS = ("closed_ticks", "late", "future", "out_of_session", "amended", "jumps")

State = dict[str, Any]


def dump(cascades: dict[str, Cascade], saved: dict[str, State], healing: Iterable[tuple[str, int]]) -> State:
    """Everything as one document; ``saved`` is what was restored and not followed since."""
    symbols = saved | {symbol: _dump(cascade) for symbol, cascade in cascades.items()}
    return {"version": VERSION, "symbols": symbols, "healing": [list(minute) for minute in healing]}


def symbols_of(state: State) -> dict[str, State]:
    """The symbols of a checkpoint. Raises ValueError if its version is not ours."""
    if state.get("version") != VERSION:
        raise ValueError(f"checkpoint of version {state.get('version')!r}, not {VERSION}")
    symbols: dict[str, State] = state["symbols"]
    return symbols


def healing_of(state: State) -> list[tuple[str, int]]:
    """The minutes that were queued for healing."""
    return [(symbol, start) for symbol, start in state["healing"]]


def load(cascade: Cascade, state: State) -> None:
    """Put ``cascade`` where it was; it stays as it is if its calendar or lot step are not those of the state."""
    instrument = cascade.instrument
    if state["calendar"] != instrument.calendar or state["lots_per_unit"] != instrument.lots_per_unit:
        return
    grid = cascade.grid
    minute = _accumulators(grid, [state["minute"]] if state["minute"] else [])
    cascade.minute = minute[0] if minute else NO_MINUTE
    cascade.open = [None] * LEVEL_COUNT
    for one in _accumulators(grid, state["open"]):
        cascade.open[one.frame.level] = one
    cascade.pending = deque(_accumulators(grid, state["pending"]))
    cascade.minutes = None
    if state["minutes"] is not None:
        # A kept minute that may still be amended must be the pending one itself.
        pending = {one.frame.start: one for one in cascade.pending if one.frame.level == MINUTE_LEVEL}
        kept = _accumulators(grid, state["minutes"])
        cascade.minutes = deque(pending.get(one.frame.start, one) for one in kept)
    cascade.fresh = state["fresh"]
    cascade.look_up()
    for name in _KEYS:
        setattr(cascade, name, int(state[name]))
    for name, count in zip(_COUNTS, state["counts"], strict=True):
        setattr(cascade, name, count)


def _dump(cascade: Cascade) -> State:
    minute = cascade.minute
    minute.sum_up()
    return {
        "calendar": cascade.instrument.calendar,
        "lots_per_unit": cascade.lots_per_unit,
        "minute": None if minute is NO_MINUTE else _row(minute),
        "open": [_row(one) for one in cascade.open if one is not None],
        "pending": [_row(one) for one in cascade.pending],
        "minutes": None if cascade.minutes is None else [_row(one) for one in cascade.minutes],
        "fresh": cascade.fresh,
        "counts": [getattr(cascade, name) for name in _COUNTS],
    } | {name: str(getattr(cascade, name)) for name in _KEYS}


def _row(one: Accumulator) -> list[Any]:
    trades = None if math.isnan(one.trades) else int(one.trades)
    # Where nothing has been merged in yet the extremes are infinite, which JSON cannot say.
    prices = [one.open, one.high, one.low, one.close] if one.last >= 0 else [None] * 4
    return [
        one.frame.level, one.frame.start, str(one.first), str(one.last), *prices, str(one.lots), trades, one.partial,
    ]  # fmt: skip


def _accumulators(grid: Grid, rows: Iterable[list[Any]]) -> list[Accumulator]:
    """The accumulators of ``rows``; one whose window the calendar no longer has is left out."""
    found = []
    for level, start, first, last, open_, high, low, close, lots, trades, partial in rows:
        frame = grid.frame(level, start)
        if frame is None:
            continue
        if open_ is None:
            one = Accumulator.empty(frame)
            one.partial = partial
            found.append(one)
        else:
            count = UNKNOWN_TRADES if trades is None else trades
            prices = (float(open_), float(high), float(low), float(close))
            found.append(Accumulator(frame, int(first), int(last), *prices, int(lots), count, partial))
    return found

"""Recordings of ticks: many files as one ordered whole, or folded at once.

A recording is complete, so nothing in it is late: ticks are taken in the order of their event times, wherever their
lines stand, and equal times in the order of the files and lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.bulk import BulkFold
from domain.instrument import Instrument
from domain.tick import Tick, tick_key
from providers.tick_columns import PriceOf
from providers.tick_doubts import Doubts
from providers.tick_file import DECIMALS, TickColumns, TickReader

Heard = Callable[[int], None]  # is told how many ticks were read so far


@dataclass(frozen=True, slots=True)
class Recording:
    """All ticks of a recording in event order, 24 bytes each; sizes are ``lots / lots_per_unit``."""

    time_ns: NDArray[np.int64]
    prices: NDArray[np.float64]
    lots: NDArray[Any]
    lots_per_unit: int

    def __len__(self) -> int:
        return len(self.time_ns)

    @property
    def span_seconds(self) -> float:
        """From the first tick to the last."""
        return (int(self.time_ns[-1]) - int(self.time_ns[0])) / 10**9 if len(self) else 0.0

    def in_steps(self, lots_per_unit: int) -> tuple[Recording, int]:
        """The same with sizes in ``1 / lots_per_unit``, and how many sizes had to be rounded to that (half up)."""
        scale = self.lots_per_unit
        if lots_per_unit == scale:
            return self, 0
        exact = [lots * lots_per_unit for lots in self.lots.tolist()]
        lots = _integers([(2 * size + scale) // (2 * scale) for size in exact])
        rounded = sum(1 for size in exact if size % scale)
        return Recording(self.time_ns, self.prices, lots, lots_per_unit), rounded

    def ticks(self, symbol: str, start: int, end: int) -> list[Tick]:
        """Ticks ``[start, end)``. The place in the recording is the sequence, as equal times keep their order."""
        columns = (column[start:end].tolist() for column in (self.time_ns, self.prices, self.lots))
        return [
            Tick(symbol, tick_key(time_ns, place), price, lots)
            for place, (time_ns, price, lots) in enumerate(zip(*columns, strict=True), start)
        ]


def fold_at_once(
    instrument: Instrument,
    paths: Sequence[Path],
    *,
    price: PriceOf | None = None,
    heard: Heard | None = None,
    doubts: Doubts | None = None,
) -> tuple[BulkFold, int]:
    """All bars of the files, and the number of lot steps in a unit that they count sizes in. Raises UnreadableFile."""
    fold, decimals = BulkFold(instrument), DECIMALS
    for piece in _pieces(paths, price, doubts):
        if piece.decimals > decimals:
            fold.scale_lots(10 ** (piece.decimals - decimals))
            decimals = piece.decimals
        fold.add(piece.time_ns, piece.prices, piece.lots)
        if heard is not None:
            heard(fold.ticks)
    return fold, 10**decimals


def load(
    paths: Sequence[Path],
    *,
    price: PriceOf | None = None,
    heard: Heard | None = None,
    doubts: Doubts | None = None,
) -> Recording:
    """The files as one recording. Raises UnreadableFile."""
    found: list[TickColumns] = []
    count = 0
    for piece in _pieces(paths, price, doubts):
        found.append(piece)
        count += len(piece.time_ns)
        if heard is not None:
            heard(count)
    if not found:
        return Recording(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64), 10**DECIMALS)
    decimals = found[-1].decimals  # it only grows
    time_ns = np.concatenate([piece.time_ns for piece in found])
    prices = np.concatenate([piece.prices for piece in found])
    lots = np.concatenate([_finer(piece.lots, 10 ** (decimals - piece.decimals)) for piece in found])
    if bool((time_ns[1:] < time_ns[:-1]).any()):
        order = np.argsort(time_ns, kind="stable")
        time_ns, prices, lots = time_ns[order], prices[order], lots[order]
    return Recording(time_ns, prices, lots, 10**decimals)


def _pieces(paths: Sequence[Path], price: PriceOf | None, doubts: Doubts | None) -> Iterator[TickColumns]:
    reader = TickReader(price=price, doubts=doubts)
    for path in paths:
        yield from reader.read(path)


def _finer(lots: NDArray[Any], factor: int) -> NDArray[Any]:
    return lots if factor == 1 else _integers([size * factor for size in lots.tolist()])


def _integers(values: list[int]) -> NDArray[Any]:
    """64-bit integers if they fit, else Python's own."""
    return np.array(values, dtype=np.int64 if max(values, default=0) < 2**62 else object)

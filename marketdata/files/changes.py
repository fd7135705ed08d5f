"""What importing bars would change in the store, and the import itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import NamedTuple

from domain.bar import Bar
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.decisions import Verdict, decide, is_confirmed
from marketdata.documents import Row, seconds
from marketdata.repository import BarRepository
from marketdata.signals import bars_synced

_BATCH = 5_000
_SHOWN = 5


class Series(NamedTuple):
    """Bars of one series to import, ascending."""

    instrument: Instrument
    interval: Interval
    bars: Sequence[Bar]

    def __str__(self) -> str:
        return f"{self.instrument.symbol} {self.interval}"


class Preview(NamedTuple):
    """In bars: ``new``, ``changed`` (an import replaces an import), ``unchanged``, and ``outranked``: the provider's
    history or a final bar says otherwise and stays. ``examples`` of the changed: (stored, from the file).
    """

    new: int
    changed: int
    unchanged: int
    outranked: int
    examples: tuple[tuple[Row, Bar], ...] = ()


def preview(repository: BarRepository, series: Series) -> Preview:
    """What ``series`` would do if it were imported now. Raises StoreUnavailable."""
    instrument, interval, bars = series
    if not bars:
        return Preview(0, 0, 0, 0)
    end = bars[-1].open_time + timedelta(seconds=1)
    stored = {row.open_time: row for row in repository.rows(instrument, interval, bars[0].open_time, end)}
    step = 1 / instrument.lots_per_unit
    new = changed = unchanged = outranked = 0
    examples: list[tuple[Row, Bar]] = []
    for bar in bars:
        old = stored.get(seconds(bar.open_time))
        if old is None:
            new += 1
            continue
        verdict, decided = decide(old, bar, is_settled=True, volume_step=step)
        if verdict is not Verdict.KEEP:
            changed += 1
            if len(examples) < _SHOWN:
                examples.append((old, decided))
        elif is_confirmed(old, bar, volume_step=step):
            unchanged += 1
        else:
            outranked += 1
    return Preview(new, changed, unchanged, outranked, tuple(examples))


def import_bars(
    repository: BarRepository, series: Series, *, advanced: Callable[[int], object] = lambda bars: None
) -> tuple[int, int, int]:
    """Store ``series``; returns how many bars were inserted, replaced and left unchanged.

    Five thousand to a transaction, oldest first; ``advanced`` is told of each. Cut short it may simply be run again.
    """
    instrument, interval, bars = series
    inserted = replaced = unchanged = 0
    for start in range(0, len(bars), _BATCH):
        batch = bars[start : start + _BATCH]
        saved = repository.save(instrument, interval, batch)
        inserted, replaced = inserted + saved.inserted, replaced + saved.replaced
        unchanged += saved.unchanged
        advanced(len(batch))
    if inserted or replaced:
        bars_synced.send_robust(
            sender="marketdata",
            symbol=instrument.symbol,
            interval=interval,
            first=bars[0].open_time,
            last=bars[-1].open_time,
        )
    return inserted, replaced, unchanged

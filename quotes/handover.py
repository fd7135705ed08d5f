"""From one run of the streamer to the next: what the last one left is given on, and what this one leaves is written.

Each thing that is given on is struck from the file as soon as it is safe elsewhere, so that a crash long after a clean
stop does not bring back what was overtaken since: forming bars and baselines at once (history mends what a crash
takes), unsaved bars when the store has acknowledged them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from domain.bar import Bar
from domain.instrument import Instrument
from domain.interval import Interval
from providers.base import Baseline
from quotes import checkpoint
from quotes.checkpoint import Checkpoint

Put = Callable[[Instrument, Bar], None]
_Key = tuple[str, Interval, datetime]

log = structlog.get_logger(__name__)


class Handover:
    """Reads the checkpoint at ``path`` when made. ``clock`` tells epoch seconds.

    ``left_at`` is when it was written, epoch seconds; 0 if there is none.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float]) -> None:
        self._path, self._clock = path, clock
        self._found = checkpoint.read(path, clock())
        self._epoch = 0 if self._found is None else self._found.epoch
        self.left_at = 0.0 if self._found is None else self._found.saved_at
        self._unsaved: list[Bar] = [] if self._found is None else self._found.unsaved  # of symbols not followed yet
        self._owed: dict[_Key, Bar] = {}  # given to the writer, not acknowledged yet
        self._baselines = {} if self._found is None else self._found.baselines

    @property
    def last_epoch(self) -> int:
        """The epoch of the last run; 0 if it left nothing."""
        return self._epoch

    def give_fold(self, restore: Callable[[dict[str, Any]], None]) -> None:
        """Let the fold go on where it stood, and strike what is spent."""
        found, self._found = self._found, None
        if found is None:
            log.info("no_checkpoint")
            return
        if found.fold is not None:
            try:
                restore(found.fold)
            except (ValueError, KeyError, TypeError) as error:
                log.error("fold_not_restored", reason=str(error))
        self._strike()
        log.info("restored", age_seconds=round(self._clock() - found.saved_at, 1), unsaved=len(found.unsaved))

    def give_baselines(self, provider: str) -> list[Baseline]:
        """Where the symbols of this provider stood; given once."""
        return self._baselines.pop(provider, [])

    def give_unsaved(self, instruments: Mapping[str, Instrument], put: Put) -> None:
        """Bars that the last run could not save, as soon as their symbol is known."""
        waiting, self._unsaved = self._unsaved, []
        for bar in waiting:
            instrument = instruments.get(bar.symbol)
            if instrument is None:
                self._unsaved.append(bar)
            else:
                self._owed[_key(bar)] = bar
                put(instrument, bar)

    def acknowledged(self, bars: Iterable[Bar]) -> None:
        """The store has these."""
        if not self._owed:
            return
        for bar in bars:
            self._owed.pop(_key(bar), None)
        if not self._owed:
            self._strike()

    def leave(self, *, epoch: int, fold: dict[str, Any], baselines: dict[str, list[Baseline]], bars: list[Bar]) -> None:
        """Write what the next run shall find; ``bars`` are those the store has not acknowledged."""
        self._epoch = epoch
        self._write(fold, self._baselines | baselines, bars + self._unsaved)

    def _strike(self) -> None:
        self._write(None, {}, [*self._owed.values(), *self._unsaved])

    def _write(self, fold: dict[str, Any] | None, baselines: dict[str, list[Baseline]], unsaved: list[Bar]) -> None:
        state = Checkpoint(saved_at=self._clock(), epoch=self._epoch, fold=fold, baselines=baselines, unsaved=unsaved)
        try:
            checkpoint.write(self._path, state)
        except OSError as error:  # whoever stops must go on stopping, and whoever starts must stream
            log.error("checkpoint_not_written", reason=str(error), unsaved=len(unsaved))


def _key(bar: Bar) -> _Key:
    return bar.symbol, bar.interval, bar.open_time

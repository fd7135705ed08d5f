"""The difference between new bars of a series and what is stored of it. No store, no clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bson.raw_bson import RawBSONDocument
from pymongo import ReplaceOne

from domain.bar import Bar, BarState
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import adjustments, documents
from marketdata.adjustments import Lesson, Scale
from marketdata.decisions import SETTLED_SECONDS, Verdict, decide
from marketdata.documents import Row
from marketdata.mongo import Document
from marketdata.series import SeriesChange

Batch = Sequence[tuple[int, Bar]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a transaction finds: the documents of bars in the batch's ranges by ``_id``, and the series' own.

    ``first_from`` tells the first stored key from one on.
    """

    bars: dict[bytes, bytes]
    scale: Scale
    last: int
    first_from: Callable[[int], int | None]


@dataclass(slots=True)
class Changes:
    """What is to be written, and in ``series`` what it does to the series; keys in epoch seconds."""

    series: SeriesChange
    inserts: list[RawBSONDocument] = field(default_factory=list)
    replacements: list[ReplaceOne[Document]] = field(default_factory=list)
    revisions: list[Document] = field(default_factory=list)
    inserted: list[int] = field(default_factory=list)
    replaced: list[int] = field(default_factory=list)
    unchanged: int = 0


class Comparing:
    """A batch of a series (ascending, by epoch second) against what is stored of it."""

    def __init__(self, instrument: Instrument, interval: Interval, batch: Batch, stored: Stored, now: datetime) -> None:
        self._instrument, self._interval, self._batch, self._stored = instrument, interval, batch, stored
        self._now, self._now_ms = now, int(now.timestamp() * 1000)
        self._volume_step = 1 / instrument.lots_per_unit
        self._keys = documents.keys(instrument.id, interval, [key for key, _ in batch])
        self._scale = stored.scale

    def changes(self) -> Changes:
        encoded = self._encoded()
        if self._stored.bars and self._learn(encoded):
            encoded = self._encoded()
        changes = Changes(SeriesChange(first=self._batch[0][0], last=self._batch[-1][0]))
        if self._scale != self._stored.scale:
            changes.series.adjustments = self._scale.adjustments
        self._compare(changes, encoded)
        changes.series.inserted = len(changes.inserts)
        return changes

    def _encoded(self) -> list[bytes]:
        bars = [bar for _, bar in self._batch]
        if not self._scale.adjustments:
            return documents.encode_all(self._keys, bars, self._now_ms)
        mark = self._scale.mark
        return [
            documents.encode(identity, bar, self._now_ms, adjusted=mark(key, bar.source))
            for identity, (key, bar) in zip(self._keys, self._batch, strict=True)
        ]

    def _compare(self, changes: Changes, encoded: Sequence[bytes]) -> None:
        stored = self._stored.bars
        for identity, (key, bar), document in zip(self._keys, self._batch, encoded, strict=True):
            old = stored.get(identity)
            if old is None:
                changes.inserts.append(RawBSONDocument(document))
                changes.inserted.append(key)
            elif documents.is_same(old, document):
                changes.unchanged += 1
                continue
            elif not self._replace(changes, identity, documents.decode(old), old, bar):
                continue
            if bar.state is BarState.PROVISIONAL and changes.series.unconfirmed is None:
                changes.series.unconfirmed = key

    def _replace(self, changes: Changes, identity: bytes, row: Row, old: bytes, bar: Bar) -> bool:
        """Add to ``changes`` what becomes of ``row``, the stored document ``old``; whether it is replaced."""
        key, adjusted = row.open_time, self._scale.mark(row.open_time, bar.source)
        is_comparable = self._scale.is_same(key, row.adjusted, adjusted)
        verdict, bar = decide(
            row,
            bar,
            is_settled=(self._now - bar.close_time).total_seconds() >= SETTLED_SECONDS,
            volume_step=self._volume_step,
            is_comparable=is_comparable,
        )
        if verdict is Verdict.KEEP:
            changes.unchanged += 1
            return False
        revision = row.revision
        if verdict is Verdict.REVISE:
            revision += 1
            changes.revisions.append(documents.revised(old, revision=row.revision, replaced_at=self._now))
        if is_comparable and row.state is BarState.PROVISIONAL and bar.state is BarState.FINAL and not row.partial:
            changes.series.comparison.add(row, bar, is_confirmed=verdict is Verdict.CONFIRM)
        document = documents.encode(identity, bar, self._now_ms, revision=revision, adjusted=adjusted)
        changes.replacements.append(ReplaceOne({"_id": identity}, RawBSONDocument(document)))
        changes.replaced.append(key)
        return True

    def _learn(self, encoded: Sequence[bytes]) -> bool:
        """See whether these bars tell of a split, or how far an open one goes; whether the scale is another now."""
        splits, stored = self._scale.adjustments, self._stored.bars
        is_open = bool(splits) and splits[-1].is_open
        if not is_open and not adjustments.is_suspicious(self._changed(encoded)):
            return False
        pairs = [
            (key, documents.decode(stored[identity]), bar)
            for identity, (key, bar) in zip(self._keys, self._batch, strict=True)
            if identity in stored
        ]
        lesson = Lesson(
            pairs=pairs,
            keys=[key for key, _ in self._batch],
            last=self._stored.last,
            interval=self._interval,
            now=int(self._now.timestamp()),
            first_later=self._stored.first_from(splits[-1].before) if is_open else None,
        )
        self._scale = lesson.applied(self._scale)
        return self._scale != self._stored.scale

    def _changed(self, encoded: Sequence[bytes]) -> list[tuple[Row, Bar]]:
        found, stored = [], self._stored.bars
        for identity, (_, bar), document in zip(self._keys, self._batch, encoded, strict=True):
            old = stored.get(identity)
            if old is not None and not documents.is_same(old, document):
                found.append((documents.decode(old), bar))
        return found

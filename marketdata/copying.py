"""A store copied to another MongoDB: every document byte by byte, in the order of its keys, safe to run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DeleteOne, InsertOne, ReplaceOne
from pymongo.collection import Collection
from pymongo.database import Database

from marketdata.collections import PACKED
from marketdata.documents import split
from marketdata.mongo import ACKNOWLEDGED, Document, unavailable

_BATCH = 5_000
_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


class Copied(NamedTuple):
    """Documents of one collection: read, and of these written anew, replaced, equal already. ``extra``: what only
    the target has; it is taken away if that was asked for, else left alone.
    """

    collection: str
    read: int = 0
    inserted: int = 0
    replaced: int = 0
    same: int = 0
    extra: int = 0

    @property
    def written(self) -> int:
        return self.inserted + self.replaced

    def plus(self, other: Copied) -> Copied:
        sums = (ours + theirs for ours, theirs in zip(self[1:], other[1:], strict=True))
        return Copied(self.collection, *sums)


def copy_collection(
    source: Database[Document],
    target: Database[Document],
    name: str,
    *,
    removes_extra: bool = False,
    is_dry: bool = False,
    advanced: Callable[[int], object] = lambda documents: None,
) -> Copied:
    """Make collection ``name`` of ``target`` equal to that of ``source``; ``advanced`` is told of each batch.

    A batch is compared before it is written, so what is there and equal is not written again, and a copy that was cut
    short goes on where it stopped. Raises StoreUnavailable.
    """
    total = Copied(name)
    after: Any = None
    with unavailable():
        for batch in _batches(source[name]):
            ids = list(batch)
            total = total.plus(_copy_batch(target[name], batch, _between(after, ids[-1]), removes_extra, is_dry))
            after = ids[-1]
            advanced(len(batch))
        rest = _between(after, None)
        return total.plus(_copy_batch(target[name], {}, rest, removes_extra, is_dry))


def forget_columns(target: Database[Document]) -> None:
    """Drop the packed copies of bars in ``target``: their versions tell nothing once chunks of another store come.

    Raises StoreUnavailable.
    """
    with unavailable():
        target[PACKED].delete_many({})


def _between(after: Any, through: Any) -> Document:
    """The filter of ids in ``(after, through]``; None is open."""
    bounds = ({"$gt": after} if after is not None else {}) | ({"$lte": through} if through is not None else {})
    return {"_id": bounds} if bounds else {}


def _batches(collection: Collection[Document]) -> Iterator[dict[Any, bytes]]:
    """All documents by ``_id``, ascending."""
    batch: dict[Any, bytes] = {}
    found = collection.find_raw_batches({}, sort=[("_id", ASCENDING)], hint={"_id": ASCENDING}, batch_size=_BATCH)
    for document in split(found):
        batch[_identity(document)] = document
        if len(batch) >= _BATCH:
            yield batch
            batch = {}
    if batch:
        yield batch


def _identity(document: bytes) -> Any:
    return bson.decode(document)["_id"]


def _copy_batch(
    collection: Collection[Document], batch: dict[Any, bytes], where: Document, removes_extra: bool, is_dry: bool
) -> Copied:
    raw = collection.with_options(codec_options=_RAW, write_concern=ACKNOWLEDGED)
    there = {
        _identity(document): document for document in split(raw.find_raw_batches(where, sort=[("_id", ASCENDING)]))
    }
    writes: list[Any] = []
    inserted = replaced = 0
    for identity, document in batch.items():
        known = there.pop(identity, None)
        if known is None:
            inserted += 1
            writes.append(InsertOne(RawBSONDocument(document)))
        elif known != document:
            replaced += 1
            writes.append(ReplaceOne({"_id": identity}, RawBSONDocument(document)))
    if removes_extra:
        writes += [DeleteOne({"_id": identity}) for identity in there]
    if writes and not is_dry:
        raw.bulk_write(writes, ordered=False)
    return Copied(collection.name, len(batch), inserted, replaced, len(batch) - inserted - replaced, len(there))

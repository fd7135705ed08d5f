"""The collections, made on first use by whichever process comes first."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from marketdata.mongo import Document, unavailable

BARS = "bars"
REVISIONS = "bar_revisions"
SERIES = "series"
COVERAGE = "coverage"
PACKED = "packed"  # copies of bars as columns
COPIED = (BARS, REVISIONS, SERIES, COVERAGE)  # what cannot be made anew

_NAMESPACE_EXISTS = 48
# Clustered: the bars lie in the order of their keys, and the key needs no index of its own.
_CLUSTERED = {"clusteredIndex": {"key": {"_id": 1}, "unique": True}}
_ZSTD = {"storageEngine": {"wiredTiger": {"configString": "block_compressor=zstd"}}}
_OPTIONS: dict[str, Document] = {
    BARS: _CLUSTERED | _ZSTD,
    REVISIONS: _CLUSTERED | _ZSTD,
    SERIES: {},
    COVERAGE: _CLUSTERED,
    PACKED: _CLUSTERED,
}

_ensured: WeakKeyDictionary[MongoClient[Document], set[str]] = WeakKeyDictionary()


def ensure(database: Database[Document]) -> None:
    """Make the collections that are not there; harmless to repeat and to do in several processes at once."""
    known = _ensured.setdefault(database.client, set())
    if database.name in known:
        return
    with unavailable():
        for name, options in _OPTIONS.items():
            try:
                database.command({"create": name, **options})
            except OperationFailure as error:
                if error.code != _NAMESPACE_EXISTS:
                    raise
    known.add(database.name)

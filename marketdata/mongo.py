"""The MongoDB client: made on first use, one a process, never at import."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from pymongo import MongoClient, WriteConcern
from pymongo.database import Database
from pymongo.errors import AutoReconnect, ConnectionFailure, PyMongoError

from domain.errors import StoreUnavailable

Document = dict[str, Any]

# A bar is acknowledged once it is in the journals of a majority, so no kill and no power cut takes it back.
ACKNOWLEDGED = WriteConcern("majority", j=True, wtimeout=20_000)
_HEARTBEAT_MS = 2_000
# So long a page, a worker or a stop waits where no server answers; what matters is tried again anyway.
_PATIENCE_MS = 3_000

# A server that shuts down or is no primary any more, or a majority that did not answer in time; without a label where
# only the acknowledgement of a write met it. Names: mongo/base/error_codes.yml of the server.
_ON_ITS_WAY_OUT = frozenset({64, 91, 189, 10107, 11600, 11602, 13435, 13436})

_databases: dict[int, Database[Document]] = {}


def database() -> Database[Document]:
    """The project's database, from a client of this process. Raises StoreUnavailable.

    A client does not survive a fork, so it is kept by process id. One that met a server before that became a
    replica set would deny it sessions for ever; so a client is kept only after it has seen a replica set.
    """
    pid = os.getpid()
    known = _databases.get(pid)
    if known is None:
        found = connect(settings.MONGODB_URI)[settings.MONGODB_DATABASE]
        known = _databases.setdefault(pid, found)
        if known is not found:  # another thread was faster
            found.client.close()
    return known


def connect(uri: str, *, timeout_ms: int = _PATIENCE_MS) -> MongoClient[Document]:
    """A client of ``uri`` whose transactions work. Raises StoreUnavailable.

    A server that accepts and then hangs is known by its heartbeat, which ends what is being waited for.
    """
    client: MongoClient[Document] = MongoClient(
        uri,
        tz_aware=True,
        serverSelectionTimeoutMS=timeout_ms,
        connectTimeoutMS=timeout_ms,
        heartbeatFrequencyMS=_HEARTBEAT_MS,
        appname="pocketquant",
    )
    try:
        with unavailable():
            hello = client.admin.command("hello")
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise StoreUnavailable("MongoDB is not a replica set (yet): transactions need one, of one node at least")
    except StoreUnavailable:
        client.close()
        raise
    return client


@contextmanager
def unavailable() -> Iterator[None]:
    """Say StoreUnavailable where MongoDB does not answer or is changing its primary; other errors pass."""
    try:
        yield
    except ConnectionFailure as error:  # AutoReconnect, server selection and network timeouts among them
        raise StoreUnavailable(f"MongoDB does not answer: {_in_short(error)}"[:300]) from error
    except PyMongoError as error:
        labels = ("RetryableWriteError", "UnknownTransactionCommitResult")
        if getattr(error, "code", None) in _ON_ITS_WAY_OUT or any(map(error.has_error_label, labels)):
            raise StoreUnavailable(f"MongoDB did not acknowledge: {_in_short(error)}"[:300]) from error
        raise


def _in_short(error: PyMongoError) -> str:
    """What happened, without the driver's timeouts and its description of the topology, which the log has."""
    return re.split(r" \(configured timeouts|, Timeout: |, full error: ", str(error), maxsplit=1)[0]


def is_passing(error: PyMongoError) -> bool:
    """Whether a transaction that failed so should simply be tried again: a conflict, no outage."""
    return error.has_error_label("TransientTransactionError") and not isinstance(error, AutoReconnect)

"""Leases in MongoDB: who may write a series now, by the server's clock, with tokens that only ever grow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pymongo import ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from domain.errors import LeaseLost
from marketdata.mongo import ACKNOWLEDGED, Document, unavailable

LEASES = "leases"
TTL_SECONDS = 15


class Lease(NamedTuple):
    """``token`` is greater than that of everybody who held the lease before."""

    name: str
    owner: str
    token: int


class Leases:
    """Blocking; safe to use from several threads and processes. Raises StoreUnavailable while MongoDB is away."""

    def __init__(self, database: Database[Document], *, ttl_seconds: float = TTL_SECONDS) -> None:
        self._collection = database[LEASES].with_options(write_concern=ACKNOWLEDGED)
        self._expires = {"$add": ["$$NOW", int(ttl_seconds * 1000)]}

    def acquire(self, name: str, owner: str) -> Lease | None:
        """The lease, held for ``ttl_seconds`` from now; None if somebody else holds it.

        Its own holder gets it anew, with a new token: what that did before is over.
        """
        free = {"$or": [{"$lte": ["$expires_at", "$$NOW"]}, {"$eq": ["$owner", owner]}]}
        token = {"$add": [{"$ifNull": ["$token", 0]}, 1]}
        taken = {"owner": owner, "token": token, "expires_at": self._expires}
        # A filter may not compare with the clock where the document may have to be made, so the update decides.
        update: list[Document] = [
            {"$set": {"is_free": free}},
            {"$set": {field: {"$cond": ["$is_free", value, f"${field}"]} for field, value in taken.items()}},
            {"$unset": "is_free"},
        ]
        try:
            with unavailable():
                found = self._collection.find_one_and_update(
                    {"_id": name}, update, upsert=True, return_document=ReturnDocument.AFTER
                )
        except DuplicateKeyError:  # another was first to make it
            return None
        # The document after an upsert is always there.
        return Lease(name, owner, found["token"]) if found["owner"] == owner else None  # type: ignore[index]

    def renew(self, leases: Iterable[Lease]) -> None:
        """Hold these for another ``ttl_seconds``, as far as they are still held; ``check`` tells which are not."""
        held = [{"_id": lease.name, "owner": lease.owner, "token": lease.token} for lease in leases]
        if held:
            with unavailable():
                self._collection.update_many({"$or": held}, [{"$set": {"expires_at": self._expires}}])

    def check(self, lease: Lease) -> None:
        """Raises LeaseLost if somebody else may hold it by now."""
        with unavailable():
            found = self._collection.find_one(
                {
                    "_id": lease.name,
                    "owner": lease.owner,
                    "token": lease.token,
                    "$expr": {"$gt": ["$expires_at", "$$NOW"]},
                },
                projection={"_id": 1},
            )
        if found is None:
            raise LeaseLost(f"the lease on {lease.name} was lost: it had run out")

    def release(self, lease: Lease) -> None:
        """Let others have it at once. The document stays, since its token must go on growing."""
        with unavailable():
            self._collection.update_one(
                {"_id": lease.name, "owner": lease.owner, "token": lease.token},
                [{"$set": {"owner": "", "expires_at": "$$NOW"}}],
            )

    def release_all(self, process: str) -> None:
        """Free what a process held that has ended for sure: the leases whose owners are ``holder(process, …)``."""
        names = {"$gte": f"{process}#", "$lt": f"{process}$"}  # all that begin so: $ comes after #
        with unavailable():
            self._collection.update_many({"owner": names}, [{"$set": {"owner": "", "expires_at": "$$NOW"}}])


def holder(process: str, task: object) -> str:
    """The owner of a lease: a process may do several things at once, and each must keep the others out."""
    return f"{process}#{task}"

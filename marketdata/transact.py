"""Transactions that are repeated where another writer came first."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern

from domain.errors import SeriesBusy
from marketdata.mongo import ACKNOWLEDGED, Document, is_passing, unavailable

_ATTEMPTS = 12
_LONGEST_PAUSE_SECONDS = 0.25
_T = TypeVar("_T")


def transact(database: Database[Document], work: Callable[[ClientSession], _T], *, about: str) -> _T:
    """``work`` in a transaction of its own; what it returns is committed, on a majority, when this returns.

    A duplicate or a write conflict means that somebody else wrote the same meanwhile: it is done again from its
    beginning, so ``work`` reads what it needs by itself. ``about`` is named if that happens too often. Raises
    SeriesBusy then, StoreUnavailable.
    """
    for attempt in range(_ATTEMPTS):
        try:
            with (
                unavailable(),
                database.client.start_session() as session,
                session.start_transaction(read_concern=ReadConcern("snapshot"), write_concern=ACKNOWLEDGED),
            ):
                return work(session)
        except DuplicateKeyError:
            pass
        except PyMongoError as error:
            if not is_passing(error):
                raise
        # Those who collided would collide again if they came back together.
        time.sleep(random.random() * min(_LONGEST_PAUSE_SECONDS, 0.002 * 2**attempt))  # noqa: S311  # no secret
    raise SeriesBusy(f"{about}: other writers came first {_ATTEMPTS} times in a row; try again in some seconds")

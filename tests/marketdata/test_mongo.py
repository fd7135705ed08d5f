"""Which errors of MongoDB mean that it is away, so that what was asked waits and no series is blamed."""

from __future__ import annotations

import pytest
from pymongo.errors import NotPrimaryError, OperationFailure, WriteConcernError

from domain.errors import StoreUnavailable
from marketdata.mongo import unavailable


@pytest.mark.parametrize(
    "error",
    [
        WriteConcernError("Replication is being shut down", 91, {}),
        WriteConcernError("waiting for replication timed out", 64, {}),
        OperationFailure("interrupted at shutdown", 11600, {}),
        NotPrimaryError("not primary", {}),
    ],
    ids=lambda error: str(error).split(",", maxsplit=1)[0],
)
def test_a_server_on_its_way_out_is_away(error):
    with pytest.raises(StoreUnavailable, match=r"MongoDB did not acknowledge|MongoDB does not answer"), unavailable():
        raise error


def test_what_the_server_refuses_for_good_is_no_outage():
    with pytest.raises(OperationFailure), unavailable():
        raise OperationFailure("unauthorized", 13, {})

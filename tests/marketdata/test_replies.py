"""The bars in a reply are those of its documents, wherever in it they lie."""

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from hypothesis import given
from hypothesis import strategies as st

from marketdata import documents
from marketdata.replies import decode_reply
from tests.marketdata.test_tables import batches, encoded


def reply(stored, **before):
    cursor = before | {"firstBatch": [RawBSONDocument(one) for one in stored], "id": 0, "ns": "db.bars"}
    return bson.encode({"cursor": cursor, "ok": 1.0})


@given(batches, st.booleans())
def test_a_reply_reads_as_its_documents_do_one_by_one(parts, is_other_order):
    stored = list(encoded(parts))
    before = {"atClusterTime": 1} if is_other_order else {}
    assert list(decode_reply(reply(stored, **before)).rows()) == [documents.decode(one) for one in stored]


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 99, 100, 101, 999, 1_000, 1_001, 11_000])
@pytest.mark.parametrize("rare_at", [None, 0, 10, 1_000])
def test_places_of_more_digits_move_documents_apart(count, rare_at):
    parts = [("rare" if place == rare_at else "plain", place, float(place), 1.0) for place in range(count)]
    table = decode_reply(reply(encoded(parts)))
    assert table.times.tolist() == list(range(count))
    assert table.column("close").tolist() == [float(place) for place in range(count)]
    assert set(table.rare) == ({rare_at} if rare_at is not None and rare_at < count else set())

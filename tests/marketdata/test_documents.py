"""How a bar is spelled at rest, and that documents which others rewrote are never misread."""

import random

import bson
import pytest

from domain.bar import BarSource, BarState
from domain.interval import Interval
from marketdata import documents
from tests.factories import bar

KEY = documents.key(7, Interval.M1, 1_700_000_040)


def encoded(**values):
    return documents.encode(KEY, bar("10:00", open=1.5, high=2.25, low=1.0, close=2.0, volume=3.5, **values), 1_000)


@pytest.mark.parametrize(
    "values",
    [
        {"state": BarState.FINAL, "source": BarSource.HISTORY},
        {"state": BarState.PROVISIONAL, "source": BarSource.STREAM, "trades": 12},
        {"state": BarState.FINAL, "source": BarSource.IMPORT, "partial": True},
    ],
)
def test_a_document_is_bson_and_reads_back_as_it_was(values):
    document = encoded(**values)
    row = documents.decode(document)
    assert bson.decode(document)["_id"] == KEY
    assert (row.open_time, row.open, row.high, row.low, row.close, row.volume) == (1_700_000_040, 1.5, 2.25, 1, 2, 3.5)
    assert (row.state, row.source, row.partial) == (values["state"], values["source"], values.get("partial", False))


@pytest.mark.parametrize("seed", range(5))
def test_fields_in_another_order_or_of_another_number_type_are_read_by_name(seed):
    document = encoded(state=BarState.FINAL, source=BarSource.HISTORY)
    fields = bson.decode(document)
    rest = [name for name in fields if name != "_id"]
    random.Random(seed).shuffle(rest)
    rewritten = {"_id": fields["_id"]} | {name: fields[name] for name in rest} | {"c": 2}
    assert documents.decode(bson.encode(rewritten)) == documents.decode(document)

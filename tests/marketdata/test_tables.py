"""Bars as columns are the same bars, however they are cut, joined or turned."""

import bson
from hypothesis import given
from hypothesis import strategies as st

from domain.bar import BarSource, BarState
from domain.interval import Interval
from marketdata import documents
from marketdata.documents import Row
from marketdata.tables import Table, decode_table
from tests.factories import bar

PLAIN = {"state": BarState.FINAL, "source": BarSource.HISTORY, "trades": None}
RARE = PLAIN | {"state": BarState.PROVISIONAL, "source": BarSource.STREAM, "trades": 12}
times = st.integers(-(10**10), 10**11)
values = st.floats(0, allow_infinity=False)


kinds = st.sampled_from(["plain", "rare", "rewritten"])
batches = st.lists(st.tuples(kinds, times, values, values), max_size=12)


def encoded(parts):
    for kind, time, price, volume in parts:
        told = bar(
            "10:00",
            open=price,
            high=price,
            low=price,
            close=price,
            volume=volume,
            **(RARE if kind == "rare" else PLAIN),
        )
        document = documents.encode(documents.key(7, Interval.M1, time), told, 1_000)
        yield bson.encode(bson.decode(document) | {"c": 2}) if kind == "rewritten" else document


@given(batches)
def test_a_batch_reads_as_its_documents_do_one_by_one(parts):
    stored = list(encoded(parts))
    assert list(decode_table(b"".join(stored)).rows()) == [documents.decode(one) for one in stored]


@given(batches, batches, st.integers(0, 12), st.integers(0, 12))
def test_tables_are_cut_joined_and_turned_like_lists_of_rows(first, second, start, stop):
    rows = [documents.decode(one) for one in encoded([*first, *second])]
    table = Table.joined([decode_table(b"".join(encoded(parts))) for parts in (first, second)])
    assert list(table.rows()) == rows == list(Table.of(rows).rows())
    assert list(table.part(start, stop).rows()) == rows[start:stop]
    assert list(table.backwards().rows()) == rows[::-1]


@given(batches)
def test_a_column_holds_what_the_rows_do(parts):
    table = decode_table(b"".join(encoded(parts)))
    for name in Row._fields:
        assert list(table.column(name)) == [getattr(row, name) for row in table.rows()]

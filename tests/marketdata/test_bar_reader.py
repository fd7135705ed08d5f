"""Bars read all at once are the same as one by one, from a real MongoDB."""

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from domain.interval import Interval
from marketdata import bar_reader
from marketdata.repository import BarRepository
from tests.marketdata.builders import BITCOIN, bar, streamed

M1 = Interval.M1


@pytest.fixture
def repository(mongo_database):
    repository = BarRepository(mongo_database)
    repository.save(BITCOIN, M1, [streamed(n) if n % 7 == 3 else bar(n) for n in range(30)])
    return repository


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("limit", [1, 12, 30, 31])
def test_a_table_holds_the_rows_in_the_order_asked_for(repository, limit, newest_first):
    table, known = repository.table(BITCOIN, M1, None, None, limit=limit, newest_first=newest_first)
    rows = list(repository.rows(BITCOIN, M1, None, None, limit=limit, newest_first=newest_first))
    assert list(table.rows()) == rows
    assert (len(rows), known["count"]) == (min(limit, 30), 30)


def test_more_than_a_reply_is_sure_to_hold_comes_in_pieces(repository, monkeypatch):
    monkeypatch.setattr(bar_reader, "_MOST_AT_ONCE", 10)
    monkeypatch.setattr(bar_reader.BarReader, "_at_once", None)  # a single reply is not even asked for
    table, _ = repository.table(BITCOIN, M1, None, None, limit=25)
    assert list(table.rows()) == list(repository.rows(BITCOIN, M1, None, None, limit=25))


def test_a_connection_that_broke_is_tried_again(repository, monkeypatch):
    def broken(*_question, **_options):
        raise AutoReconnect("connection closed")

    monkeypatch.setattr(Database, "command", broken)
    table, _ = repository.table(BITCOIN, M1, None, None, limit=30)
    assert len(table) == 30


def test_of_a_series_without_bars_nothing_is_known(mongo_database):
    table, known = BarRepository(mongo_database).table(BITCOIN, M1, None, None, limit=5)
    assert (len(table), known) == (0, None)

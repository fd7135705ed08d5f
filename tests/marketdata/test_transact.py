"""A series that another writer holds, on the real store."""

from __future__ import annotations

import pytest

from domain.errors import SeriesBusy
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.repository import BarRepository
from tests.marketdata.builders import BITCOIN, bar

ETHER = Instrument(symbol="DEMO:ETHUSD", id=8, provider="demo", price_decimals=2)


def test_a_writer_that_died_in_its_transaction_holds_its_series_only_and_until_mongodb_ends_it(mongo_database):
    repository = BarRepository(mongo_database)
    repository.save(BITCOIN, Interval.M1, [bar(0)])
    client = mongo_database.client
    with client.start_session() as session:
        session.start_transaction()
        mongo_database.series.update_many({}, {"$inc": {"version": 1}}, session=session)  # and nothing follows

        with pytest.raises(SeriesBusy, match=r"DEMO:BTCUSD 1m: .*try again"):
            repository.save(BITCOIN, Interval.M1, [bar(1)])
        assert repository.save(ETHER, Interval.M1, [bar(0, instrument=ETHER)]).inserted == 1

        session.abort_transaction()
    assert repository.save(BITCOIN, Interval.M1, [bar(1)]).version == 2

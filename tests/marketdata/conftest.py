"""What the tests of the bars API share: a registry of two symbols, somebody signed in, bars to ask for."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.repository import BarRepository

BTC, ETH = "DEMO:BTCUSD", "DEMO:ETHUSD"


@pytest.fixture
def registered(db, mongo_database, monkeypatch):
    """Two symbols in the registry; their instruments."""
    from symbols.services import add_symbol  # models, which may not be imported before pytest has set Django up

    monkeypatch.setattr("marketdata.mongo._databases", {})
    return [
        add_symbol(code=code, details=Instrument(symbol=code, provider="demo"), streaming=False)[0].instrument()
        for code in (BTC, ETH)
    ]


@pytest.fixture
def reader(client, registered):
    client.force_login(get_user_model().objects.create_user("reader"))
    return client


@pytest.fixture
def store(registered, mongo_database):
    """Stores bars of the two symbols: ``store(btc=[...], eth=[...])``."""

    def fill(*, btc=(), eth=(), interval=Interval.M1):
        for instrument, bars in zip(registered, (btc, eth), strict=True):
            BarRepository(mongo_database).save(instrument, interval, bars)

    return fill

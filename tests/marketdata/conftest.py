"""What these tests share: a registry of two symbols, somebody signed in, bars to ask for; a store that may be stopped."""

from __future__ import annotations

import functools

import pytest
from django.contrib.auth import get_user_model

from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.repository import BarRepository

BTC, ETH = "DEMO:BTCUSD", "DEMO:ETHUSD"


@pytest.fixture(scope="session")
def mongod(tmp_path_factory):
    """A MongoDB of these tests' own, which they may stop and hang; each leaves it running."""
    from pocketquant.embedded.mongod import Mongod
    from pocketquant.embedded.paths import run_dir
    from pocketquant.embedded.sockets import wait_until_ready

    folder = tmp_path_factory.mktemp("store")
    server = Mongod(data=folder / "mongodb", run=run_dir(folder), log=folder / "mongod.log")
    server.start()
    try:
        wait_until_ready(server)
        yield server
    finally:
        server.stop()


@pytest.fixture
def impatient(settings, monkeypatch, mongod):
    """That store is what the settings name, and clients give it up after half a second instead of some."""
    from marketdata import mongo

    settings.MONGODB_URI = mongod.uri
    monkeypatch.setattr(mongo, "_databases", {})
    monkeypatch.setattr(mongo, "_HEARTBEAT_MS", 500)
    monkeypatch.setattr(mongo, "connect", functools.partial(mongo.connect, timeout_ms=500))
    yield mongod
    for database in mongo._databases.values():
        database.client.close()


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

"""What the tests of history share: a store, and a symbol whose provider is a running demo market.

Models are imported within the fixtures: this file is read before Django is set up.
"""

from __future__ import annotations

import pytest

BTC = "DEMO:BTCUSD"


@pytest.fixture
def repository(mongo_database, monkeypatch):
    from marketdata.repository import BarRepository

    monkeypatch.setattr("marketdata.mongo._databases", {})
    return BarRepository(mongo_database)


@pytest.fixture
def bitcoin(db, demo_market, settings, repository):
    """The registered symbol; its provider is the running demo market."""
    from providers.demo import demo_instruments
    from symbols.services import add_symbol

    settings.DEMO_MARKET_URL = demo_market.url
    details = next(found for found in demo_instruments() if found.symbol == BTC)
    return add_symbol(code=BTC, details=details, streaming=False)[0]


@pytest.fixture
def alone(transactional_db, bitcoin):
    """The registered symbol in a database that other threads and processes see; its first sync is forgotten."""
    from django_q.models import OrmQ

    from marketdata.models import ProviderPace, SyncLane, SyncRun

    for model in (SyncRun, SyncLane, ProviderPace, OrmQ):
        model.objects.all().delete()
    return bitcoin

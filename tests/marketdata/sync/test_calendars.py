"""Markets with sessions, half-days, lunch breaks and clock changes are whole after a sync."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from domain.interval import Interval
from marketdata import runs
from marketdata.ledger import CoverageLedger
from marketdata.models import SyncRun
from marketdata.processes import own_name
from marketdata.sync_chunk import Chunk
from marketdata.window import window_start
from symbols.services import add_symbols

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240), pytest.mark.untraced]
INTERVALS = [Interval.M1, Interval.M45, Interval.H2, Interval.D1, Interval.W1, Interval.MN1]


def test_every_market_is_whole_after_a_sync(alone, start_demo_market, settings, mongo_database, repository):
    market = start_demo_market()
    settings.DEMO_MARKET_URL = market.url
    instruments = [market.market.instrument(code) for code in market.market.symbols()]
    one_each = list({instrument.calendar: instrument for instrument in instruments}.values())
    thin = market.market.instrument("DEMO:THIN")  # most of its minutes have no trade
    symbols = [symbol for symbol, _ in add_symbols({*one_each, thin})]
    SyncRun.objects.all().delete()
    series = [(symbol, interval) for symbol in symbols for interval in INTERVALS]
    now = timezone.now()
    run, _ = runs.start(runs.Order(series=series))
    Chunk("demo", own_name(), seconds=math.inf).run()
    run.refresh_from_db()
    problems = list(run.items.exclude(state="completed").values_list("symbol__code", "interval", "state", "reason"))
    assert (run.state, problems) == ("completed", [])
    for symbol, interval in series:
        instrument = symbol.instrument()
        start = datetime.fromtimestamp(window_start(instrument.calendar, interval, 5_000, int(now.timestamp())), UTC)
        found = CoverageLedger(mongo_database).coverage(instrument, interval, start, now, now=now, window_bars=5_000)
        assert (found.missing, found.share) == (0, 1.0), (symbol.code, interval, found)

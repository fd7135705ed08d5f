"""Runs of syncs in words (the same cases as js/runs.test.mjs), and their series in the order of urgency."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.utils import timezone

from domain.interval import Interval
from marketdata.models import SyncItem, SyncRun
from symbols.models import Exchange, Symbol
from web.runs import BY_URGENCY, bar_of, facts_of, run_title

CASES = json.loads((Path(__file__).parent / "run_cases.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_a_run_is_put_into_words_as_agreed(case):
    assert facts_of(case["run"]) == case["facts"]
    bar = bar_of(case["run"])
    assert bar["failed_from"] + bar["failed_share"] <= 100


@pytest.fixture
def run(db):
    """A run over 13 intervals of one symbol, all waiting."""
    venue = Exchange.objects.create(code="DEMO")
    symbol = Symbol.objects.create(exchange=venue, ticker="BTCUSD", code="DEMO:BTCUSD")
    run = SyncRun.objects.create()
    for position, interval in enumerate(Interval):
        SyncItem.objects.create(
            run=run, symbol=symbol, interval=interval.value, provider="demo", position=position, due_at=timezone.now()
        )
    return run


def test_what_needs_an_eye_comes_first_and_the_rest_as_it_is_worked_on(run):
    states = {"1M": "error", "1w": "syncing", "1d": "partial", "1m": "completed", "4h": "up_to_date"}
    for interval, state in states.items():
        run.items.filter(interval=interval).update(state=state)
    ordered = list(run.items.order_by(*BY_URGENCY).values_list("interval", flat=True))
    assert ordered == ["1M", "1w", "1d", "3m", "5m", "15m", "30m", "45m", "1h", "2h", "3h", "1m", "4h"]


def test_a_title_names_what_is_one_and_counts_what_is_many(run):
    assert run_title(run) == "DEMO:BTCUSD · 13 intervals"
    run.items.exclude(interval="1d").delete()
    assert run_title(run) == "DEMO:BTCUSD · 1D"
    other = Symbol.objects.create(exchange=Exchange.objects.get(), ticker="ETHUSD", code="DEMO:ETHUSD")
    SyncItem.objects.create(run=run, symbol=other, interval="1d", provider="demo")
    assert run_title(run) == "2 symbols · 1D"
    run.items.all().delete()
    assert run_title(run) == "Nothing"

"""Bars that history lacks or has late, on the wire: these are absent, all others as they were, and live trades go on."""

from __future__ import annotations

import pytest

from domain.errors import InvalidRequest
from domain.interval import Interval
from providers.demo.clock import ManualClock
from providers.demo.faults import Faults, set_from_query
from providers.demo.market import DemoMarket
from providers.demo.withheld import Withheld, withheld_of
from tests.providers.demo.dialogue import Dialogue, bars, chart_calls, named, quote_calls
from tests.providers.demo.refold import at

NOW = at("2026-11-24T15:00:20")
HOLE = "DEMO:BTCUSD/1m/2026-11-24T14:52Z/2026-11-24T14:55Z"


@pytest.fixture
def client() -> Dialogue:
    clock = ManualClock(NOW.timestamp())
    return Dialogue(DemoMarket(1, clock=clock), clock)


def minutes(client: Dialogue, symbol: str = "DEMO:BTCUSD", code: str = "1", count: int = 12) -> list[str]:
    """Starts of the newest bars, as a new series tells them."""
    found = bars(client.say(*chart_calls(symbol, code, count)))
    client.say(("chart_delete_session", "cs_1"))
    return [f"{at_second(values[0]):%H:%M}" for values in found]


def at_second(seconds: float):
    return NOW.fromtimestamp(seconds, NOW.tzinfo)


def test_withheld_bars_are_absent_and_older_ones_take_their_place_in_the_count(client):
    assert minutes(client, count=8) == [f"14:{n}" for n in range(53, 60)] + ["15:00"]
    client.faults.set(withhold=[HOLE])
    assert minutes(client, count=8) == ["14:50", "14:51", "14:55", "14:56", "14:57", "14:58", "14:59", "15:00"]
    assert minutes(client, "DEMO:ETHUSD", count=8) == [f"14:{n}" for n in range(53, 60)] + ["15:00"]
    assert minutes(client, code="3", count=3) == ["14:54", "14:57", "15:00"]
    client.faults.clear()
    assert "14:52" in minutes(client, count=9)


def test_older_pages_lack_them_too(client):
    client.faults.set(withhold=[HOLE])
    client.say(*chart_calls("DEMO:BTCUSD", "1", 4))
    older = bars(client.say(("request_more_data", "cs_1", "sds_1", 4)))
    assert [f"{at_second(values[0]):%H:%M}" for values in older] == ["14:50", "14:51", "14:55", "14:56"]


def test_a_bar_that_closes_late_is_shown_in_progress_then_not_and_then_for_good(client):
    client.faults.set(closing_delay_seconds=90)
    assert minutes(client, count=3) == ["14:56", "14:57", "15:00"]
    client.clock.advance(9.9)  # 15:00:29.9
    assert minutes(client, count=3) == ["14:56", "14:57", "15:00"]
    client.clock.advance(0.1)
    assert minutes(client, count=3) == ["14:57", "14:58", "15:00"]


def test_a_delayed_feed_is_late_on_top_of_its_delay(client):
    client.faults.set(closing_delay_seconds=60)
    assert minutes(client, "DEMO:VOD", count=3) == ["14:42", "14:43", "14:45"]


def test_what_is_withheld_from_history_is_still_traded_live(client):
    client.faults.set(withhold=["DEMO:BTCUSD/1m/2026-11-24T15:00Z/2026-11-24T15:02Z"])
    client.say(*quote_calls("DEMO:BTCUSD"), *chart_calls("DEMO:BTCUSD", "1", 3))
    told = client.wait(60)
    assert len(named(told, "qsd")) > 50
    assert not named(told, "du")


def test_a_stretch_is_written_as_iso_8601_writes_intervals():
    start, end = (int(at(f"2026-11-24T14:{minute}").timestamp()) for minute in (52, 55))
    assert withheld_of(HOLE) == Withheld("DEMO:BTCUSD", Interval.M1, start, end)
    assert withheld_of("DEMO:BTCUSD/1m/2026-11-24T15:52+01:00/2026-11-24T14:55Z") == withheld_of(HOLE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DEMO:BTCUSD",
        "DEMO:BTCUSD/1m/2026-11-24T14:52Z",
        "DEMO:BTCUSD/7m/2026-11-24T14:52Z/2026-11-24T14:55Z",
        "DEMO:BTCUSD/1m/2026-11-24T14:52/2026-11-24T14:55",
        "DEMO:BTCUSD/1m/2026-11-24T14:55Z/2026-11-24T14:55Z",
        "DEMO:BTCUSD/1m/yesterday/today",
    ],
)
def test_what_names_no_bars_is_refused_with_what_would(text):
    faults = Faults()
    with pytest.raises(InvalidRequest, match="SYMBOL/INTERVAL/START/END"):
        faults.set(withhold=[text])
    assert not faults.withhold


def test_both_are_switched_over_http_like_any_fault():
    faults = Faults()
    set_from_query(faults, {"withhold": f"{HOLE},DEMO:AAPL/1d/2026-11-20T00:00Z/2026-11-21T00:00Z"})
    set_from_query(faults, {"closing_delay_seconds": "30"})
    assert len(faults.state()["withhold"]) == 2
    assert faults.state()["closing_delay_seconds"] == 30.0

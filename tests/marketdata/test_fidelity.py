"""How well our own bars agreed with history: counted in the bars' transaction, told over HTTP."""

from __future__ import annotations

import pytest

from domain.interval import Interval
from marketdata.repository import BarRepository
from tests.marketdata.builders import BITCOIN, START, bar, streamed
from tests.marketdata.conftest import BTC, ETH


@pytest.fixture
def repository(mongo_database):
    return BarRepository(mongo_database)


def fidelity(repository):
    return repository.series(BITCOIN, Interval.M1).fidelity


def test_a_series_that_nobody_streamed_has_none(repository):
    repository.save(BITCOIN, Interval.M1, [bar(0)])
    assert (fidelity(repository).compared, fidelity(repository).share) == (0, None)


def test_what_history_confirms_and_corrects_is_counted_and_measured(repository):
    repository.save(BITCOIN, Interval.M1, [streamed(n, price=100.0) for n in range(4)])
    told = [
        bar(0, price=100.0),
        bar(1, price=100.0, high=125.0),  # ours had 101: 19.2 % of history's
        bar(2, price=100.0, volume=8.0),  # ours had 10: a fifth more than there was
        bar(3, price=100.0),
    ]
    repository.save(BITCOIN, Interval.M1, told)
    found = fidelity(repository)
    assert (found.compared, found.confirmed, found.share) == (4, 2, 0.5)
    assert (found.price_largest, found.price_mean) == (pytest.approx(24 / 125), pytest.approx(24 / 125 / 4))
    assert (found.volume_largest, found.volume_mean) == (pytest.approx(0.2), pytest.approx(0.05))


def test_the_same_bars_again_count_once(repository):
    repository.save(BITCOIN, Interval.M1, [streamed(0)])
    for _ in range(3):
        repository.save(BITCOIN, Interval.M1, [bar(0)])
    assert fidelity(repository).compared == 1


def test_bars_that_were_known_to_be_partial_prove_nothing(repository):
    repository.save(BITCOIN, Interval.M1, [streamed(0, partial=True)])
    repository.save(BITCOIN, Interval.M1, [bar(0, high=200.0)])
    assert fidelity(repository).compared == 0


def test_a_bar_without_volume_differs_by_all_of_it(repository):
    repository.save(BITCOIN, Interval.M1, [streamed(0, volume=0.0)])
    repository.save(BITCOIN, Interval.M1, [bar(0, volume=10.0)])
    assert fidelity(repository).volume_largest == 1.0


def test_the_api_tells_it_for_each_series(reader, store, registered):
    store(btc=[streamed(0), streamed(1), streamed(2)])
    store(btc=[bar(0), bar(1, high=200.0)], eth=[bar(0, instrument=registered[1])])
    found = reader.get("/api/v1/fidelity").json()
    by_symbol = {one["symbol"]: one for one in found["results"]}
    assert set(by_symbol) == {BTC, ETH}
    bitcoin = by_symbol[BTC]
    assert (bitcoin["interval"], bitcoin["compared"], bitcoin["confirmed"], bitcoin["share"]) == ("1m", 2, 1, 0.5)
    assert bitcoin["unconfirmed_since"] == START.isoformat().replace("+00:00", "Z")
    assert (by_symbol[ETH]["share"], by_symbol[ETH]["unconfirmed_since"], by_symbol[ETH]["adjustments"]) == (
        None,
        None,
        [],
    )
    found = reader.get("/api/v1/fidelity", {"symbol": ETH, "interval": "1m"}).json()
    assert [one["symbol"] for one in found["results"]] == [ETH]
    assert reader.get("/api/v1/fidelity", {"symbol": ETH, "interval": "1h"}).json()["results"] == []


def test_the_api_shows_splits(reader, store):
    before = [bar(n, price=100.0 + n % 5) for n in range(10)]
    after = [
        bar(n, price=50.0 + n % 5 / 2, high=(101.0 + n % 5) / 2, low=(99.0 + n % 5) / 2, close=(100.5 + n % 5) / 2)
        for n in range(10)
    ]
    store(btc=before)
    store(btc=[*after, bar(10, price=51.0)])
    [split] = reader.get("/api/v1/fidelity", {"symbol": BTC}).json()["results"][0]["adjustments"]
    assert (split["symbol"], split["before"], split["factor"]) == (BTC, "2026-01-05T00:10:00Z", 0.5)
    assert split["is_open"] is False


@pytest.mark.parametrize(
    "parameters", [{"interval": "7m"}, {"limit": "0"}, {"symbols": "NONE"}, {"start": "now"}, {"offset": "-1"}]
)
def test_bad_questions_are_refused(reader, parameters):
    assert reader.get("/api/v1/fidelity", parameters).status_code == 400


def test_unknown_symbols_and_strangers_are_refused(reader, client):
    assert reader.get("/api/v1/fidelity", {"symbol": "DEMO:NONE"}).status_code == 404
    client.logout()
    assert client.get("/api/v1/fidelity").status_code in (401, 403)

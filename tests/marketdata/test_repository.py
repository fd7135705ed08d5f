"""What may be relied on of bars at rest, against a real MongoDB."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from domain.bar import BarSource, BarState
from domain.errors import NaiveTime, StoreUnavailable
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.mongo import connect
from marketdata.repository import BarRepository, SaveResult
from tests.marketdata.builders import BITCOIN, START, bar, streamed

M1 = Interval.M1


@pytest.fixture
def repository(mongo_database):
    return BarRepository(mongo_database)


def everything(repository, interval=M1, instrument=BITCOIN):
    return repository.between(instrument, interval, None, None)


def test_what_was_saved_is_read_back_equal(repository):
    bars = [bar(0), streamed(1), bar(2, trades=0, volume=0.0), streamed(3, partial=True, trades=None)]
    assert repository.save(BITCOIN, M1, bars) == SaveResult(inserted=4, version=1)
    assert everything(repository) == bars


def test_doubles_survive_to_the_last_bit(repository):
    odd = bar(0, open=0.1 + 0.2, high=1e300, low=5e-324, close=1 / 3, volume=123456789.12345679)
    repository.save(BITCOIN, M1, [odd])
    assert everything(repository) == [odd]


def test_saving_the_same_again_writes_nothing(repository, mongo_database):
    bars = [bar(n) for n in range(50)]
    repository.save(BITCOIN, M1, bars)
    before = (list(mongo_database.bars.find()), list(mongo_database.series.find()))
    assert repository.save(BITCOIN, M1, bars) == SaveResult(unchanged=50, version=1)
    assert (list(mongo_database.bars.find()), list(mongo_database.series.find())) == before


def test_the_series_tells_first_last_count_and_version(repository):
    repository.save(BITCOIN, M1, [bar(5), bar(6)])
    result = repository.save(BITCOIN, M1, [bar(2), bar(6, price=50.0)])
    found = repository.series(BITCOIN, M1)
    assert result == SaveResult(inserted=1, replaced=1, version=2)
    assert (found.symbol, found.interval, found.count, found.version) == ("DEMO:BTCUSD", M1, 3, 2)
    assert (found.first, found.last) == (START + timedelta(minutes=2), START + timedelta(minutes=6))


def test_history_that_agrees_makes_a_provisional_bar_final_and_keeps_its_trades(repository, mongo_database):
    repository.save(BITCOIN, M1, [streamed(0, trades=42)])
    assert repository.save(BITCOIN, M1, [bar(0, volume=10.0 + 1e-9)]).replaced == 1
    [stored] = everything(repository)
    assert (stored.state, stored.source, stored.trades) == (BarState.FINAL, BarSource.HISTORY, 42)
    assert repository.series(BITCOIN, M1).fidelity.share == 1.0
    assert mongo_database.bar_revisions.count_documents({}) == 0


def test_history_replaces_a_provisional_bar_that_differs_and_the_old_values_are_kept(repository, mongo_database):
    repository.save(BITCOIN, M1, [streamed(0, price=100.0)])
    repository.save(BITCOIN, M1, [bar(0, price=101.0)])
    assert [(stored.open, stored.state) for stored in everything(repository)] == [(101.0, BarState.FINAL)]
    [row] = repository.rows(BITCOIN, M1, None, None)
    assert row.revision == 1
    assert [kept["o"] for kept in mongo_database.bar_revisions.find()] == [100.0]
    fidelity = repository.series(BITCOIN, M1).fidelity
    assert (fidelity.compared, fidelity.confirmed) == (1, 0)


def test_each_change_of_a_final_bar_raises_its_revision_and_keeps_every_old_value(repository, mongo_database):
    for price in (100.0, 101.0, 102.0):
        repository.save(BITCOIN, M1, [bar(0, price=price)])
    [row] = repository.rows(BITCOIN, M1, None, None)
    assert (row.open, row.revision) == (102.0, 2)
    assert [kept["o"] for kept in mongo_database.bar_revisions.find().sort("_id", 1)] == [100.0, 101.0]


def test_a_provisional_bar_never_replaces_a_final_one(repository):
    repository.save(BITCOIN, M1, [bar(0, price=100.0)])
    assert repository.save(BITCOIN, M1, [streamed(0, price=99.0)]) == SaveResult(unchanged=1, version=1)
    assert [stored.open for stored in everything(repository)] == [100.0]


def test_a_bar_that_just_closed_is_amended_without_a_revision(repository, mongo_database):
    minute = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=1)
    repository.save(BITCOIN, M1, [streamed(open_time=minute, price=100.0)])
    repository.save(BITCOIN, M1, [streamed(open_time=minute, price=101.0)])
    [row] = repository.rows(BITCOIN, M1, None, None)
    assert (row.open, row.revision, mongo_database.bar_revisions.count_documents({})) == (101.0, 0, 0)


def test_a_partial_bar_does_not_replace_a_whole_one_but_a_whole_one_replaces_it(repository):
    repository.save(BITCOIN, M1, [streamed(0, price=100.0), streamed(1, partial=True)])
    repository.save(BITCOIN, M1, [streamed(0, price=99.0, partial=True), streamed(1, price=77.0)])
    assert [(stored.open, stored.partial) for stored in everything(repository)] == [(100.0, False), (77.0, False)]


def test_of_two_bars_with_one_key_in_a_batch_the_final_one_is_stored(repository):
    assert repository.save(BITCOIN, M1, [bar(0, price=1.5), streamed(0, price=9.0)]).inserted == 1
    assert [stored.open for stored in everything(repository)] == [1.5]


@pytest.mark.parametrize(
    "wrong",
    [
        bar(0, state=BarState.FORMING),
        bar(0, interval=Interval.H1),
        msgspec.structs.replace(bar(0), symbol="DEMO:ETHUSD"),
    ],
    ids=["forming", "of another interval", "of another symbol"],
)
def test_a_bar_that_does_not_belong_is_refused_and_nothing_of_its_batch_is_stored(repository, wrong):
    with pytest.raises(ValueError):
        repository.save(BITCOIN, M1, [bar(1), wrong])
    assert everything(repository) == []


def test_an_instrument_that_is_not_registered_has_no_place(repository):
    with pytest.raises(ValueError, match="not registered"):
        repository.save(Instrument(symbol="DEMO:BTCUSD"), M1, [bar(0)])


def test_not_a_number_cannot_reach_the_store():
    with pytest.raises(ValueError):
        bar(0, close=float("nan"))
    with pytest.raises(ValueError):
        bar(0, high=float("inf"))


def test_a_range_includes_its_start_and_not_its_end(repository):
    repository.save(BITCOIN, M1, [bar(n) for n in range(5)])
    found = repository.between(BITCOIN, M1, START + timedelta(minutes=1), START + timedelta(minutes=3))
    assert found == [bar(1), bar(2)]
    late = START + timedelta(minutes=1, microseconds=1)
    assert repository.between(BITCOIN, M1, late, late + timedelta(minutes=1)) == [bar(2)]


def test_a_limit_counts_from_the_end_that_was_asked_for(repository):
    repository.save(BITCOIN, M1, [bar(n) for n in range(5)])
    assert repository.between(BITCOIN, M1, None, None, limit=2) == [bar(0), bar(1)]
    assert repository.between(BITCOIN, M1, None, None, limit=2, newest_first=True) == [bar(4), bar(3)]
    assert repository.latest(BITCOIN, M1, 2) == [bar(3), bar(4)]
    assert repository.between(BITCOIN, M1, None, None, limit=0) == []


def test_a_time_without_a_zone_is_refused(repository):
    with pytest.raises(NaiveTime):
        repository.between(BITCOIN, M1, datetime(2026, 1, 5), None)  # noqa: DTZ001  # what is tested


def test_series_beside_each_other_do_not_mix(repository):
    other = replace(BITCOIN, id=8, symbol="DEMO:ETHUSD")
    repository.save(BITCOIN, M1, [bar(0)])
    repository.save(BITCOIN, Interval.D1, [bar(0, interval=Interval.D1)])
    repository.save(other, M1, [bar(0, instrument=other)])
    assert everything(repository) == [bar(0)]
    assert everything(repository, Interval.D1) == [bar(0, interval=Interval.D1)]
    assert everything(repository, instrument=other) == [bar(0, instrument=other)]


def test_bars_from_before_1970_come_before_those_after(repository):
    days = [datetime(1962, 1, 2, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)]
    bars = [bar(interval=Interval.D1, open_time=day) for day in days]
    repository.save(BITCOIN, Interval.D1, bars)
    assert everything(repository, Interval.D1) == bars


def test_a_stock_bar_gets_the_span_of_its_session(repository):
    apple = Instrument(symbol="DEMO:AAPL", id=9, calendar="XNYS")
    opens = datetime(2026, 11, 27, tzinfo=UTC)  # the half-day after Thanksgiving
    repository.save(apple, Interval.D1, [bar(instrument=apple, interval=Interval.D1, open_time=opens)])
    [stored] = everything(repository, Interval.D1, apple)
    assert stored.open_time == opens
    assert stored.starts_at == datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
    assert stored.close_time == datetime(2026, 11, 27, 18, 0, tzinfo=UTC)


def test_a_bar_on_a_day_that_the_calendar_calls_closed_is_kept_with_its_nominal_span(repository):
    apple = Instrument(symbol="DEMO:AAPL", id=9, calendar="XNYS")
    christmas = datetime(2025, 12, 25, tzinfo=UTC)
    repository.save(apple, Interval.D1, [bar(instrument=apple, interval=Interval.D1, open_time=christmas)])
    [stored] = everything(repository, Interval.D1, apple)
    assert (stored.starts_at, stored.close_time) == (christmas, christmas + timedelta(days=1))


def test_a_batch_with_bars_years_apart_is_stored_like_any_other(repository):
    far = bar(open_time=START - timedelta(days=3_000))
    repository.save(BITCOIN, M1, [bar(0)])
    assert repository.save(BITCOIN, M1, [far, bar(0), bar(1)]) == SaveResult(inserted=2, unchanged=1, version=2)
    assert everything(repository) == [far, bar(0), bar(1)]


def test_more_bars_than_a_transaction_holds_are_all_stored(repository):
    bars = [bar(n) for n in range(5_003)]
    assert repository.save(BITCOIN, M1, bars)[:3] == (5_003, 0, 0)
    assert repository.series(BITCOIN, M1).count == 5_003


def test_a_store_that_does_not_answer_is_told_from_every_other_error(tmp_path):
    with pytest.raises(StoreUnavailable):
        connect(f"mongodb://{str(tmp_path / 'no.sock').replace('/', '%2F')}/?directConnection=true", timeout_ms=50)


def test_a_key_is_found_by_its_position_from_either_end(repository):
    repository.save(BITCOIN, M1, [bar(n) for n in (0, 1, 4, 5)])
    minute = int(START.timestamp()) // 60

    def key(position, **options):
        found = repository.key_at(BITCOIN, M1, START + timedelta(minutes=1), None, position=position, **options)
        return None if found is None else found // 60 - minute

    assert [key(n) for n in range(4)] == [1, 4, 5, None]
    assert [key(n, newest_first=True) for n in range(4)] == [5, 4, 1, None]


def test_bars_are_the_same_however_few_are_fetched_at_once(repository):
    bars = [bar(n) for n in range(25)]
    repository.save(BITCOIN, M1, bars)
    assert [row.close for row in repository.rows(BITCOIN, M1, None, None, batch=4)] == [one.close for one in bars]


def test_a_store_that_was_emptied_never_names_its_new_data_as_the_old(repository, mongo_database):
    """Within the same second, and at the same version."""
    versions = set()
    for price in range(5):
        mongo_database.bars.delete_many({})
        mongo_database.series.delete_many({})
        repository.save(BITCOIN, M1, [bar(0, price=100.0 + price)])
        versions.add(repository.series(BITCOIN, M1).data_version)
    assert len(versions) == 5

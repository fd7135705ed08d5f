"""Series as NumPy columns: whole, exact, and never stale."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import NaiveTime, UnknownSymbol
from domain.interval import Interval
from marketdata.arrays import arrays
from marketdata.collections import COVERAGE, PACKED, SERIES
from marketdata.ledger import CoverageLedger
from marketdata.packed import PackedBars, arrays_of
from marketdata.packing import Columns, pack
from marketdata.repository import BarRepository
from marketdata.unpacking import unpack
from tests.marketdata.builders import BITCOIN, bar, streamed
from tests.marketdata.files.test_real_files import register

NOW = datetime(2026, 6, 1, tzinfo=UTC)
FAR = datetime(2027, 1, 1, tzinfo=UTC)
START = bar(0).open_time


@pytest.fixture
def repository(mongo_database: Any) -> BarRepository:
    return BarRepository(mongo_database)


def read(database: Any, start: datetime = START, end: datetime = FAR, interval: Interval = Interval.M1) -> Columns:
    return arrays_of(database, BITCOIN, interval, start, end, NOW)


def same(columns: Columns, repository: BarRepository, start: datetime = START, end: datetime = FAR) -> bool:
    """Whether the columns say exactly what the documents say."""
    rows = list(repository.rows(BITCOIN, Interval.M1, start, end))
    return (
        columns.open_time.astype(np.int64).tolist() == [row.open_time for row in rows]
        and [column.tolist() for column in columns[1:6]] == [[row[place] for row in rows] for place in range(1, 6)]
        and columns.trades.tolist() == [-1 if row.trades is None else row.trades for row in rows]
        and columns.final.tolist() == [row.state == "final" for row in rows]
        and columns.partial.tolist() == [row.partial for row in rows]
    )


def test_columns_are_the_documents_on_the_first_reading_and_from_the_copy(
    repository: BarRepository, mongo_database: Any
) -> None:
    repository.save(BITCOIN, Interval.M1, [bar(n, trades=n if n % 3 else None) for n in range(4_000) if n % 7])
    repository.save(BITCOIN, Interval.M1, [streamed(4_001, partial=True)])
    assert same(read(mongo_database), repository)
    assert mongo_database[PACKED].count_documents({}) == 3
    assert same(read(mongo_database), repository)


def test_what_changes_a_bar_makes_its_copy_worthless_at_once(repository: BarRepository, mongo_database: Any) -> None:
    repository.save(BITCOIN, Interval.M1, [bar(n) for n in range(3_000)])
    read(mongo_database)
    changes = (
        lambda: repository.save(BITCOIN, Interval.M1, [bar(5, price=1.0)]),
        lambda: repository.save(BITCOIN, Interval.M1, [bar(2_999), bar(3_000), bar(9_000)]),
        lambda: repository.delete(BITCOIN, Interval.M1, bar(10).open_time, bar(20).open_time),
        lambda: repository.save(BITCOIN, Interval.M1, [bar(15)]),
    )
    for change in changes:
        change()
        assert same(read(mongo_database), repository)
        assert same(read(mongo_database), repository)


def test_a_copy_that_was_packed_while_a_bar_changed_is_not_kept(
    repository: BarRepository, mongo_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.save(BITCOIN, Interval.M1, [bar(n) for n in range(1_440)])
    original = PackedBars._from_documents

    def overtaken(self: PackedBars, *args: Any) -> Any:
        made = original(self, *args)
        repository.save(BITCOIN, Interval.M1, [bar(5, price=1.0)])
        return made

    monkeypatch.setattr(PackedBars, "_from_documents", overtaken)
    read(mongo_database)
    assert mongo_database[PACKED].count_documents({}) == 0
    monkeypatch.undo()
    assert same(read(mongo_database), repository)


def test_columns_never_mix_the_scales_before_and_after_a_split(
    repository: BarRepository, mongo_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.save(BITCOIN, Interval.M1, [bar(n) for n in range(1_440)])
    read(mongo_database)
    repository.save(
        BITCOIN, Interval.M1, [bar(n) for n in range(1_440, 2_880)]
    )  # the first day has a copy, this has none
    original = PackedBars._copies

    def overtaken(self: PackedBars, *args: Any) -> Any:
        found = original(self, *args)
        monkeypatch.undo()
        halved = [{"before": bar(2_880).open_time, "factor": 0.5, "at": NOW}]
        mongo_database[SERIES].update_one({}, {"$set": {"adjustment": halved}, "$inc": {"version": 1}})
        return found

    monkeypatch.setattr(PackedBars, "_copies", overtaken)
    columns = read(mongo_database)
    assert (columns.close[0], columns.close[1_440]) == (bar(0).close / 2, bar(1_440).close / 2)
    assert same(columns, repository)


def test_a_ledger_that_is_made_anew_does_not_bring_old_copies_back(
    repository: BarRepository, mongo_database: Any
) -> None:
    repository.save(BITCOIN, Interval.M1, [bar(n) for n in range(1_440)])
    repository.save(BITCOIN, Interval.M1, [bar(5, price=2.0)])
    read(mongo_database)
    repository.save(BITCOIN, Interval.M1, [bar(5, price=3.0)])
    mongo_database[COVERAGE].delete_many({})  # its versions begin anew, and come to what the copy bears
    mongo_database[SERIES].update_many({}, {"$unset": {"mapped": 1}})
    assert same(read(mongo_database), repository)


def test_the_day_that_runs_is_not_packed(repository: BarRepository, mongo_database: Any) -> None:
    repository.save(BITCOIN, Interval.M1, [bar(n) for n in range(1_500)])
    arrays_of(mongo_database, BITCOIN, Interval.M1, START, FAR, START + timedelta(days=1, hours=2))
    assert mongo_database[PACKED].count_documents({}) == 1


def test_ranges_include_their_start_and_exclude_their_end(repository: BarRepository, mongo_database: Any) -> None:
    repository.save(BITCOIN, Interval.M1, [bar(n) for n in range(3_000)])
    for first, last in itertools.product((0, 1, 1_439, 1_440, 2_999, 3_000), repeat=2):
        start, end = bar(first).open_time, bar(last).open_time
        assert len(read(mongo_database, start, end).open) == max(0, last - first)
    assert len(read(mongo_database, bar(1).open_time + timedelta(microseconds=1), bar(3).open_time).open) == 1


def test_nothing_stored_is_nothing_read_with_the_same_types(mongo_database: Any) -> None:
    columns = read(mongo_database)
    assert [column.dtype.str for column in columns] == ["<M8[s]", *["<f8"] * 5, "<i8", "|u1"]
    assert {len(column) for column in columns} == {0}


def test_a_store_without_a_ledger_is_brought_up_first(repository: BarRepository, mongo_database: Any) -> None:
    repository.save(BITCOIN, Interval.M1, [bar(n) for n in range(100)])
    mongo_database[COVERAGE].delete_many({})
    mongo_database[SERIES].update_many({}, {"$unset": {"mapped": 1}})
    assert same(read(mongo_database), repository)


def test_bars_deleted_by_hand_are_gone_once_the_ledger_is_verified(
    repository: BarRepository, mongo_database: Any
) -> None:
    repository.save(BITCOIN, Interval.M1, [bar(n) for n in range(1_440)])
    read(mongo_database)
    first = mongo_database["bars"].find_one(sort=[("_id", 1)])
    mongo_database["bars"].delete_one({"_id": first["_id"]})
    CoverageLedger(mongo_database).verify(BITCOIN, Interval.M1)
    assert same(read(mongo_database), repository)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["save", "delete", "read"]), st.integers(0, 4_000), st.integers(1, 2_000)),
        max_size=8,
    )
)
def test_whatever_happens_in_whatever_order_columns_are_the_documents(
    repository: BarRepository, mongo_database: Any, steps: list[tuple[str, int, int]]
) -> None:
    repository.delete(BITCOIN, Interval.M1, None, None)
    for number, (step, first, count) in enumerate(steps):
        if step == "save":
            repository.save(
                BITCOIN, Interval.M1, [bar(n, price=100.0 + number) for n in range(first, first + count, 3)]
            )
        elif step == "delete":
            repository.delete(BITCOIN, Interval.M1, bar(first).open_time, bar(first + count).open_time)
        else:
            read(mongo_database, bar(first).open_time, bar(first + count).open_time)
    assert same(read(mongo_database), repository)


@pytest.mark.django_db
def test_the_door_takes_names_and_aware_moments(repository: BarRepository, mongo_database: Any) -> None:
    symbol = register("TEST:BTCUSD", "24/7")
    instrument = symbol.instrument()
    bars = [msgspec.structs.replace(bar(n), symbol=instrument.symbol) for n in range(10)]
    repository.save(instrument, Interval.M1, bars)
    found = arrays("test:btcusd", "1m", START, START + timedelta(minutes=3))
    assert found.close.tolist() == [each.close for each in bars[:3]]
    assert len(arrays("TEST:BTCUSD", "1m").open) == 10
    with pytest.raises(NaiveTime):
        arrays("TEST:BTCUSD", "1m", datetime(2026, 1, 5))  # noqa: DTZ001  # that is the point
    with pytest.raises(UnknownSymbol):
        arrays("TEST:NOBODY", "1m")


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
DECIMALS = st.builds(lambda whole, places: whole / 10**places, st.integers(-(10**12), 10**12), st.integers(0, 9))


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(st.integers(1, 10**6), max_size=30),
    values=st.data(),
    numbers=st.sampled_from([NUMBERS, DECIMALS]),
)
def test_what_is_packed_comes_back_to_the_last_bit(steps: list[int], values: st.DataObject, numbers: Any) -> None:
    count = len(steps)
    times = np.cumsum(np.array(steps, dtype=np.int64)).view("datetime64[s]")
    doubles = [np.array(values.draw(st.lists(numbers, min_size=count, max_size=count))) for _ in range(5)]
    trades = np.array(values.draw(st.lists(st.integers(-1, 2**53), min_size=count, max_size=count)), dtype=np.int64)
    flags = np.array(values.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)), dtype=np.uint8)
    columns = Columns(times, *(one.astype(np.float64) for one in doubles), trades, flags)
    back = unpack([bson.decode(bson.encode(pack(columns)))])
    assert [one.tobytes() for one in back] == [one.tobytes() for one in columns]
    assert [one.dtype for one in back] == [one.dtype for one in columns]
    cut = values.draw(st.integers(0, count))
    pieces = [Columns(*(one[:cut] for one in columns)), Columns(*(one[cut:] for one in columns))]
    at_once = unpack([pack(one) for one in pieces])
    assert [one.tobytes() for one in at_once] == [one.tobytes() for one in columns]

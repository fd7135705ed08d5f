"""The repository against a dict, and against other writers."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.bar import Bar, BarState
from domain.interval import Interval
from marketdata.repository import BarRepository
from tests.marketdata.builders import BITCOIN, bar, streamed

M1 = Interval.M1
FRESH = itertools.count(1)  # a series without bars for each example
MINUTES = st.integers(0, 12)
PRICES = st.sampled_from([100.0, 101.0])
BATCHES = st.lists(
    st.lists(
        st.one_of(
            st.builds(lambda n, price: bar(n, price=price), MINUTES, PRICES),
            st.builds(
                lambda n, price, partial: streamed(n, price=price, partial=partial), MINUTES, PRICES, st.booleans()
            ),
        ),
        max_size=10,
    ),
    max_size=6,
)


def model_after(batches: list[list[Bar]]) -> dict[int, tuple[float, BarState]]:
    """What must be stored: history wins, then the later whole bar, then the later partial one."""

    def rank(candidate: Bar) -> int:
        return 2 if candidate.state is BarState.FINAL else 0 if candidate.partial else 1

    stored: dict[int, Bar] = {}
    for batch in batches:
        for candidate in batch:
            known = stored.get(candidate.open_time)
            if known is None or rank(candidate) >= rank(known):
                stored[candidate.open_time] = candidate
    return {moment: (found.open, found.state) for moment, found in stored.items()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES)
def test_any_batches_leave_what_a_dict_would_hold(mongo_database, batches):
    instrument = replace(BITCOIN, id=next(FRESH))
    repository = BarRepository(mongo_database)
    version = 0
    for batch in batches:
        result = repository.save(instrument, M1, batch)
        assert result.version == version + (1 if result.inserted or result.replaced else 0)
        version = result.version
    found = repository.between(instrument, M1, None, None)
    assert {stored.open_time: (stored.open, stored.state) for stored in found} == model_after(batches)
    series = repository.series(instrument, M1)
    if found:
        assert (series.first, series.last, series.count) == (found[0].open_time, found[-1].open_time, len(found))
    else:
        assert series is None


def test_writers_of_one_series_at_once_neither_lose_nor_double_a_bar(mongo_database):
    repository = BarRepository(mongo_database)
    start = threading.Barrier(4)

    def write(worker: int) -> tuple[int, int]:
        start.wait()
        inserted = replaced = 0
        for first in range(0, 200, 20):  # ranges overlap those of the other writers
            saved = repository.save(BITCOIN, M1, [bar(n) for n in range(first + worker * 5, first + worker * 5 + 20)])
            inserted, replaced = inserted + saved.inserted, replaced + saved.replaced
        return inserted, replaced

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(write, range(4)))
    stored = repository.between(BITCOIN, M1, None, None)
    assert stored == [bar(n) for n in range(215)]
    assert sum(inserted for inserted, _ in results) == 215  # each bar was new to exactly one of them
    assert all(replaced == 0 for _, replaced in results)
    assert repository.series(BITCOIN, M1).count == 215

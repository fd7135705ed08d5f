"""Splits in the store: told from new history, recorded, and never two scales in one series."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta

import pytest
from msgspec.structs import replace

from domain.bar import BarSource, BarState
from domain.errors import StoreUnavailable
from domain.interval import Interval
from marketdata.collections import REVISIONS
from marketdata.documents import seconds
from marketdata.repository import BarRepository
from tests.marketdata.builders import BITCOIN, START, bar, streamed

M1 = Interval.M1
SINCE = 80  # the first bar on the new scale


@pytest.fixture
def repository(mongo_database):
    return BarRepository(mongo_database)


def traded(n):
    """What was paid, before anybody thought of a split."""
    return 100.0 + n % 17 if n < SINCE else 50.0 + n % 17


def before(*numbers, **values):
    """Bars as history told them before the split was known."""
    return [bar(n, price=traded(n), high=traded(n) + 2, **values) for n in numbers]


def after(*numbers, factor=0.5):
    """The same bars as history tells them since."""
    return [scaled(one, factor) if n < SINCE else one for n, one in zip(numbers, before(*numbers), strict=True)]


def scaled(one, factor):
    prices = {name: getattr(one, name) * factor for name in ("open", "high", "low", "close")}
    return replace(one, volume=one.volume / factor, **prices)


def closes(repository):
    return {seconds(one.open_time): one.close for one in repository.between(BITCOIN, M1, None, None)}


def splits(repository):
    return [(split.before, split.factor, split.is_open) for split in repository.series(BITCOIN, M1).adjustments]


def key(n):
    return seconds(START) + 60 * n


def save(repository, bars):
    return repository.save(BITCOIN, M1, bars)


def test_a_split_is_recorded_and_older_bars_are_brought_to_the_present_scale(repository, mongo_database):
    save(repository, before(*range(90)))
    result = save(repository, after(*range(40, 100)))
    assert splits(repository) == [(key(SINCE), 0.5, False)]
    assert (result.inserted, result.replaced, result.unchanged) == (10, 40, 10)
    stored = repository.between(BITCOIN, M1, None, None)
    assert [one.close for one in stored[:40]] == [0.5 * one.close for one in before(*range(40))]
    assert [one.volume for one in stored[:40]] == [20.0] * 40
    assert stored[40:] == after(*range(40, 100))
    old = mongo_database[REVISIONS].find().sort("_id")
    assert [one["c"] for one in old] == [one.close for one in before(*range(40, SINCE))]


def test_saving_the_same_again_after_a_split_writes_nothing(repository):
    save(repository, before(*range(90)))
    version = save(repository, after(*range(40, 100))).version
    again = save(repository, after(*range(40, 100)))
    assert (again.inserted, again.replaced, again.unchanged, again.version) == (0, 0, 60, version)
    assert len(splits(repository)) == 1


@pytest.mark.parametrize("seed", range(8))
def test_in_whatever_pages_and_order_history_comes_it_is_one_split(repository, seed):
    chance = random.Random(seed)
    save(repository, before(*range(90)))
    cuts = sorted({20, 120, *(chance.randrange(24, 116) for _ in range(3))})
    pages = [after(*range(*cut)) for cut in itertools.pairwise(cuts)]
    pages = [page for page in pages if len(page) >= 3]
    for page in (pages[::-1] if seed % 2 else pages) * 2:
        save(repository, page)
    assert [factor for _, factor, _ in splits(repository)] == [0.5]
    told = {seconds(one.open_time): one.close for page in pages for one in page}
    stored = closes(repository)
    assert {moment: stored[moment] for moment in told} == told
    assert [stored[key(n)] for n in range(20)] == [0.5 * one.close for one in before(*range(20))]


def test_a_page_that_ends_before_the_split_leaves_it_open_and_the_next_one_settles_it(repository):
    save(repository, before(*range(90)))
    save(repository, after(*range(20, 50)))
    assert splits(repository) == [(key(50), 0.5, True)]
    save(repository, after(*range(50, 70)))
    assert splits(repository) == [(key(70), 0.5, True)]
    save(repository, after(*range(70, 95)))
    assert splits(repository) == [(key(SINCE), 0.5, False)]
    assert closes(repository) == {key(n): one.close for n, one in enumerate(after(*range(95)))}


def test_an_open_split_is_settled_by_a_page_that_did_not_change(repository):
    save(repository, before(*range(90)))
    save(repository, after(*range(20, SINCE)))
    assert splits(repository) == [(key(SINCE), 0.5, True)]
    save(repository, after(*range(SINCE, 90)))
    assert splits(repository) == [(key(SINCE), 0.5, False)]


def test_bars_that_a_stream_built_before_the_split_belong_to_the_older_scale(repository):
    save(repository, before(*range(60)))
    save(repository, before(*range(60, SINCE), state=BarState.PROVISIONAL, source=BarSource.STREAM))
    save(repository, after(*range(30, 60), 90))
    assert splits(repository)[0][1:] == (0.5, True)
    save(repository, after(*range(60, 91)))
    assert splits(repository) == [(key(SINCE), 0.5, False)]
    assert closes(repository) == {key(n): one.close for n, one in enumerate(after(*range(91)))}
    assert repository.series(BITCOIN, M1).fidelity.compared == 0  # bars of two scales prove nothing


def test_a_late_bar_of_the_stream_is_on_the_scale_of_its_time(repository):
    save(repository, before(*range(10, 90)))
    save(repository, after(*range(40, 100)))
    save(repository, [streamed(5, price=100.0)])
    assert closes(repository)[key(5)] == 0.5 * 100.5
    save(repository, [streamed(97, price=60.0)])  # history has told that one
    assert closes(repository)[key(97)] == after(97)[0].close


def test_what_is_imported_after_a_split_reads_as_it_was_written(repository):
    save(repository, before(*range(10, 90)))
    save(repository, after(*range(40, 100), factor=1 / 7))
    assert splits(repository)[0][1] == pytest.approx(1 / 7)
    imported = [bar(n, price=13.37 + n, source=BarSource.IMPORT) for n in range(5)]
    save(repository, imported)
    assert repository.between(BITCOIN, M1, None, START + timedelta(minutes=5)) == imported


def test_a_bar_that_history_did_not_scale_is_taken_as_it_is_told(repository):
    save(repository, before(*range(90)))
    told = after(*range(100))
    told[30] = before(30)[0]  # which the provider forgot
    save(repository, told)
    assert repository.between(BITCOIN, M1, None, None) == told
    assert save(repository, told).replaced == 0


def test_two_splits_multiply(repository):
    save(repository, before(*range(90)))
    save(repository, after(*range(40, 100)))
    twice = [scaled(one, 0.25) for one in after(*range(60, 100))]
    save(repository, [*twice, *after(*range(100, 104))])
    assert splits(repository) == [(key(SINCE), 0.5, False), (key(100), 0.25, False)]
    stored = repository.between(BITCOIN, M1, None, None)
    assert [one.close for one in stored[:40]] == [one.close / 8 for one in before(*range(40))]
    assert [one.close for one in stored[40:60]] == [one.close / 4 for one in after(*range(40, 60))]
    assert stored[60:100] == twice


def test_corrections_are_revisions_and_no_split(repository):
    save(repository, before(*range(90)))
    changed = [bar(n, price=200.0 + n * n % 13, high=220.0) for n in range(40, 50)]
    save(repository, changed + before(*range(50, 60)))
    assert splits(repository) == []
    assert closes(repository)[key(39)] == before(39)[0].close


def test_a_reader_never_gets_two_scales_from_one_question(repository):
    save(repository, before(*range(90)))
    rows = repository.rows(BITCOIN, M1, None, None, batch=10)
    first = [next(rows) for _ in range(10)]
    assert first[0].close == before(0)[0].close
    save(repository, after(*range(40, 100)))
    with pytest.raises(StoreUnavailable, match="ask again"):
        list(rows)


def test_plain_bars_since_the_split_cost_nothing(repository, mongo_database):
    save(repository, before(*range(90)))
    save(repository, after(*range(40, 100)))
    marked = [document["a"] for document in mongo_database.bars.find({"a": {"$exists": True}})]
    assert marked == [1] * 40

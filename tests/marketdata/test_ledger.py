"""The ledger of coverage, on a real MongoDB."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.bar import Bar
from domain.calendars import get_calendar
from domain.coverage import Reason
from domain.errors import LeaseLost
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import documents
from marketdata.collections import BARS, COVERAGE, SERIES
from marketdata.learning import note_asked, note_reason
from marketdata.ledger import CoverageLedger
from marketdata.repository import BarRepository
from tests.marketdata.builders import BITCOIN, bar, streamed

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
APPLE = Instrument(symbol="TEST:AAPL", id=11, calendar="XNYS")


@pytest.fixture
def repository(mongo_database: Any) -> BarRepository:
    return BarRepository(mongo_database)


@pytest.fixture
def ledger(mongo_database: Any) -> CoverageLedger:
    return CoverageLedger(mongo_database)


def expected_bars(instrument: Instrument, interval: Interval, start: datetime, end: datetime) -> list[Bar]:
    """Every bar that the calendar expects."""
    windows = get_calendar(instrument.calendar).windows(interval, int(start.timestamp()), int(end.timestamp()))
    return [
        Bar(
            instrument.symbol,
            interval,
            *(datetime.fromtimestamp(second, UTC) for second in (key, begins, ends)),
            *(100.0, 101.0, 99.0, 100.5, 10.0),
        )
        for begins, ends, key in windows
    ]


# A fortnight with a clock change in New York and London; Tokyo and Hong Kong have lunch, the half-day is in November.
SPANS = [
    ("24/7", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 15, tzinfo=UTC)),
    ("XNYS", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 15, tzinfo=UTC)),
    ("XNYS/extended", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 15, tzinfo=UTC)),
    ("XNYS", datetime(2025, 11, 20, tzinfo=UTC), datetime(2025, 12, 1, tzinfo=UTC)),
    ("XLON", datetime(2025, 10, 20, tzinfo=UTC), datetime(2025, 11, 1, tzinfo=UTC)),
    ("XTKS", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 15, tzinfo=UTC)),
    ("XHKG", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 15, tzinfo=UTC)),
    ("forex", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 15, tzinfo=UTC)),
]


@pytest.mark.parametrize(("calendar", "start", "end"), SPANS)
@pytest.mark.parametrize("interval", [Interval.M5, Interval.M45, Interval.H1, Interval.H4, Interval.D1, Interval.W1])
def test_what_the_calendar_expects_is_whole_and_what_is_removed_is_missing(
    repository: BarRepository,
    ledger: CoverageLedger,
    mongo_database: Any,
    calendar: str,
    start: datetime,
    end: datetime,
    interval: Interval,
) -> None:
    instrument = Instrument(symbol="TEST:X", id=5, calendar=calendar)
    bars = expected_bars(instrument, interval, start, end)
    repository.save(instrument, interval, bars)
    found = ledger.coverage(instrument, interval, start, end, now=NOW)
    assert (found.share, found.expected, found.stored, found.missing) == (1.0, len(bars), len(bars), 0)
    assert ledger.holes(instrument, interval, start, end, now=NOW) == []

    gone = sorted({len(bars) // 2, len(bars) // 2 + 1, len(bars) - 2} & set(range(len(bars))))
    keys = [documents.key(5, interval, int(bars[n].open_time.timestamp())) for n in gone]
    assert mongo_database[BARS].delete_many({"_id": {"$in": keys}}).deleted_count == len(gone)
    assert ledger.verify(instrument, interval) == len(gone)
    holes = ledger.holes(instrument, interval, start, end, now=NOW)
    assert sum(hole.bars for hole in holes) == len(gone)
    assert [hole.start for hole in holes][:1] == [int(bars[gone[0]].open_time.timestamp())]
    assert {hole.reason for hole in holes} == {Reason.NOT_ASKED}
    repository.save(instrument, interval, bars)
    assert ledger.coverage(instrument, interval, start, end, now=NOW).share == 1.0


def minutes(*numbers: int) -> list[Bar]:
    return [bar(n) for n in numbers]


START = bar(0).open_time
LATER = START + timedelta(hours=1)


def test_neighbours_are_joined_and_bars_that_just_closed_may_be_on_their_way(
    repository: BarRepository, ledger: CoverageLedger
) -> None:
    repository.save(BITCOIN, Interval.M1, minutes(0, 1, 5, 6, 8))
    now = START + timedelta(minutes=12)
    holes = ledger.holes(BITCOIN, Interval.M1, START, LATER, now=now)
    first = int(START.timestamp())
    # The tenth minute closed two minutes ago.
    assert [(hole.start - first, hole.end - first, hole.bars) for hole in holes] == [
        (120, 241, 3), (420, 421, 1), (540, 541, 1)
    ]  # fmt: skip


def test_what_the_provider_does_not_have_is_asked_for_once_more_a_day_later_and_then_settled(
    repository: BarRepository, ledger: CoverageLedger, mongo_database: Any
) -> None:
    repository.save(BITCOIN, Interval.M1, minutes(0, 1, 4))
    now = START + timedelta(minutes=7)
    end = START + timedelta(minutes=5)
    assert note_asked(mongo_database, BITCOIN, Interval.M1, START, end, asked_at=now) == 2
    assert ledger.holes(BITCOIN, Interval.M1, START, end, now=now) == []
    found = ledger.coverage(BITCOIN, Interval.M1, START, end, now=now)
    assert (found.expected, found.stored, found.empty, found.missing, found.share) == (5, 3, 2, 0, 1.0)
    tomorrow = now + timedelta(days=1)
    [hole] = ledger.holes(BITCOIN, Interval.M1, START, end, now=tomorrow)
    assert (hole.bars, hole.reason) == (2, Reason.NONE_AT_PROVIDER)
    assert "asked 2026-01-05 00:07Z" in hole.detail
    note_asked(mongo_database, BITCOIN, Interval.M1, START, end, asked_at=tomorrow)
    assert ledger.holes(BITCOIN, Interval.M1, START, end, now=tomorrow + timedelta(days=9)) == []


def test_what_may_only_be_late_is_asked_for_by_every_sync_until_a_later_bar_is_told(
    repository: BarRepository, ledger: CoverageLedger, mongo_database: Any
) -> None:
    repository.save(BITCOIN, Interval.M1, minutes(0, 1, 3))
    end, asked_at = bar(8).open_time, bar(11).open_time
    assert note_asked(mongo_database, BITCOIN, Interval.M1, START, end, asked_at=asked_at) == 5
    assert ledger.holes(BITCOIN, Interval.M1, START, end, now=asked_at) == []
    later = asked_at + timedelta(minutes=6)
    [late] = ledger.holes(BITCOIN, Interval.M1, START, end, now=later)
    assert (late.start, late.bars, late.reason) == (int(bar(4).open_time.timestamp()), 4, Reason.NONE_AT_PROVIDER)
    repository.save(BITCOIN, Interval.M1, [streamed(9)])  # our own fold: history has not got so far
    assert ledger.holes(BITCOIN, Interval.M1, START, end, now=later) == [late]
    repository.save(BITCOIN, Interval.M1, minutes(6, 9))
    assert ledger.holes(BITCOIN, Interval.M1, START, end, now=later)[1:] == []


def test_a_bar_that_comes_after_all_is_no_longer_known_to_be_absent(
    repository: BarRepository, ledger: CoverageLedger, mongo_database: Any
) -> None:
    repository.save(BITCOIN, Interval.M1, minutes(0, 2))
    now = START + timedelta(minutes=10)
    note_asked(mongo_database, BITCOIN, Interval.M1, START, START + timedelta(minutes=3), asked_at=now)
    repository.save(BITCOIN, Interval.M1, minutes(1))
    found = ledger.coverage(BITCOIN, Interval.M1, START, START + timedelta(minutes=3), now=now)
    assert (found.stored, found.empty) == (3, 0)


def test_bars_that_had_not_closed_when_it_was_asked_are_not_known_to_be_absent(
    repository: BarRepository, ledger: CoverageLedger, mongo_database: Any
) -> None:
    repository.save(BITCOIN, Interval.M1, minutes(0))
    asked_at = START + timedelta(minutes=4)
    assert note_asked(mongo_database, BITCOIN, Interval.M1, START, LATER, asked_at=asked_at) == 1


def test_holes_beyond_the_window_say_since_when_and_others_until_when(
    repository: BarRepository, ledger: CoverageLedger
) -> None:
    repository.save(BITCOIN, Interval.M1, minutes(0, 99))
    now = START + timedelta(minutes=100)
    older, newer = ledger.holes(BITCOIN, Interval.M1, START, LATER + LATER.resolution, now=now, window_bars=60)
    assert (older.reason, older.bars) == (Reason.BEYOND_WINDOW, 40)
    assert "beyond the 60 bars that the provider keeps since 2026-01-05 01:40Z" in older.detail
    assert (newer.reason, newer.bars) == (Reason.NOT_ASKED, 19)
    assert newer.recoverable_until == START + timedelta(minutes=41 + 60)
    assert older.end <= newer.start


def test_a_note_says_why(repository: BarRepository, ledger: CoverageLedger, mongo_database: Any) -> None:
    repository.save(BITCOIN, Interval.M1, minutes(0, 9))
    note_reason(mongo_database, BITCOIN, Interval.M1, START, LATER, Reason.FEED_DOWN)
    [hole] = ledger.holes(BITCOIN, Interval.M1, START, START + timedelta(minutes=10), now=LATER)
    assert hole.reason is Reason.FEED_DOWN


def test_before_the_provider_s_first_bar_nothing_is_missing(
    repository: BarRepository, ledger: CoverageLedger, mongo_database: Any
) -> None:
    repository.save(BITCOIN, Interval.M1, minutes(30, 31))
    first = bar(30).open_time
    note_asked(mongo_database, BITCOIN, Interval.M1, START, LATER, asked_at=LATER + LATER.resolution, truncated_before=first,
        reason="none at provider",
    )  # fmt: skip
    found = ledger.coverage(BITCOIN, Interval.M1, START, first, now=LATER)
    assert (found.missing, found.share) == (0, 1.0)


def test_a_series_that_was_never_asked_for_expects_nothing(ledger: CoverageLedger) -> None:
    found = ledger.coverage(BITCOIN, Interval.M1, None, NOW, now=NOW)
    assert (found.expected, found.share) == (0, None)


def test_a_store_from_before_there_were_bitmaps_is_brought_up_by_itself(
    repository: BarRepository, ledger: CoverageLedger, mongo_database: Any
) -> None:
    repository.save(BITCOIN, Interval.M1, minutes(0, 1, 2))
    mongo_database[COVERAGE].delete_many({})
    mongo_database[SERIES].update_many({}, {"$unset": {"mapped": 1}})
    repository.save(BITCOIN, Interval.M1, minutes(3))
    assert ledger.coverage(BITCOIN, Interval.M1, None, LATER, now=START + timedelta(minutes=6)).share == 1.0


def forget_bitmaps(database: Any) -> None:
    """Make the store one from before there were bitmaps."""
    database[COVERAGE].delete_many({})
    database[SERIES].update_many({}, {"$unset": {"mapped": 1}})


def test_what_is_stored_without_a_bitmap_is_never_called_absent_at_the_provider(
    repository: BarRepository, ledger: CoverageLedger, mongo_database: Any
) -> None:
    repository.save(BITCOIN, Interval.M1, minutes(0, 1, 3))
    forget_bitmaps(mongo_database)
    asked_at = START + timedelta(minutes=9)
    assert note_asked(mongo_database, BITCOIN, Interval.M1, START, START + timedelta(minutes=4), asked_at=asked_at) == 1


def test_bars_are_deleted_from_a_store_without_bitmaps(
    repository: BarRepository, ledger: CoverageLedger, mongo_database: Any
) -> None:
    repository.save(BITCOIN, Interval.M1, minutes(*range(6)))
    forget_bitmaps(mongo_database)
    assert repository.delete(BITCOIN, Interval.M1, bar(2).open_time, bar(4).open_time) == 2
    found = ledger.coverage(BITCOIN, Interval.M1, None, bar(6).open_time, now=LATER)
    assert (found.stored, found.missing) == (4, 2)
    assert len(repository.between(BITCOIN, Interval.M1, None, None)) == 4


def test_a_series_that_was_emptied_begins_where_its_new_bars_do(
    repository: BarRepository, ledger: CoverageLedger
) -> None:
    repository.save(BITCOIN, Interval.M1, minutes(0, 1, 50))
    repository.delete(BITCOIN, Interval.M1, None, None)
    repository.save(BITCOIN, Interval.M1, minutes(20, 21))
    found = repository.series(BITCOIN, Interval.M1)
    assert found is not None
    assert (found.first, found.last, found.count) == (bar(20).open_time, bar(21).open_time, 2)
    sums = ledger.coverage(BITCOIN, Interval.M1, None, bar(22).open_time, now=LATER)
    assert (sums.expected, sums.missing) == (2, 0)


def test_bars_that_closed_just_now_are_not_called_unexpected(repository: BarRepository, ledger: CoverageLedger) -> None:
    repository.save(BITCOIN, Interval.M1, minutes(0, 1, 2))
    found = ledger.coverage(BITCOIN, Interval.M1, None, LATER, now=bar(3).open_time)
    assert (found.expected, found.stored, found.extra) == (1, 1, 0)


def test_early_hours_are_told_apart_from_what_is_expected(repository: BarRepository, ledger: CoverageLedger) -> None:
    extended = Instrument(symbol=APPLE.symbol, id=APPLE.id, calendar="XNYS/extended")
    start, end = datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 3, 6, tzinfo=UTC)
    bars = expected_bars(extended, Interval.M30, start, end)
    repository.save(extended, Interval.M30, bars)
    found = ledger.coverage(APPLE, Interval.M30, start, end, now=NOW)
    assert (found.expected, found.stored, found.extra) == (13, 13, len(bars) - 13)


def test_a_sum_that_was_kept_is_not_told_once_bars_are_gone(
    repository: BarRepository, ledger: CoverageLedger, mongo_database: Any
) -> None:
    repository.save(BITCOIN, Interval.M1, minutes(*range(10)))

    def sums(now: datetime) -> tuple[int, int, int]:
        found = ledger.coverage(BITCOIN, Interval.M1, None, now, now=now, lists_holes=False)
        return found.expected, found.stored, found.empty

    assert sums(LATER) == (58, 10, 0)
    assert sums(LATER + timedelta(minutes=2)) == (60, 10, 0)
    repository.delete(BITCOIN, Interval.M1, bar(3).open_time, bar(5).open_time)
    assert sums(LATER) == (58, 8, 0)
    note_asked(mongo_database, BITCOIN, Interval.M1, START, bar(5).open_time, asked_at=LATER)
    assert sums(LATER) == (58, 8, 2)
    assert sums(START + timedelta(minutes=10)) == (8, 6, 2)


def test_deleting_bars_leaves_exactly_their_hole(repository: BarRepository, ledger: CoverageLedger) -> None:
    repository.save(BITCOIN, Interval.M1, minutes(*range(3_000)))
    before = repository.series(BITCOIN, Interval.M1)
    start, end = bar(1_430).open_time, bar(1_450).open_time  # over the edge of a chunk
    assert repository.delete(BITCOIN, Interval.M1, start, end) == 20
    now = bar(3_100).open_time
    [hole] = ledger.holes(BITCOIN, Interval.M1, None, bar(3_000).open_time, now=now)
    assert (hole.start, hole.bars) == (int(start.timestamp()), 20)
    after = repository.series(BITCOIN, Interval.M1)
    assert before is not None
    assert after is not None
    assert after.count == 2_980
    assert after.version > before.version
    assert ledger.verify(BITCOIN, Interval.M1) == 0
    repository.delete(BITCOIN, Interval.M1, None, None)
    emptied = repository.series(BITCOIN, Interval.M1)
    assert emptied is not None
    assert emptied.count == 0


def test_days_are_told_one_by_one(repository: BarRepository, ledger: CoverageLedger) -> None:
    start, end = datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC)
    bars = expected_bars(APPLE, Interval.H1, start, end)
    repository.save(APPLE, Interval.H1, bars[:-1])
    days = ledger.days(APPLE, Interval.H1, start, end, now=NOW)
    assert [(datetime.fromtimestamp(day.day, UTC).day, day.expected, day.stored) for day in days] == [
        (5, 7, 7), (6, 7, 7), (9, 7, 7), (10, 7, 6)
    ]  # fmt: skip


def test_a_writer_that_lost_its_lease_cannot_write_over_its_successor(repository: BarRepository) -> None:
    repository.save(BITCOIN, Interval.M1, minutes(0), fence=2)
    with pytest.raises(LeaseLost):
        repository.save(BITCOIN, Interval.M1, minutes(1), fence=1)
    repository.save(BITCOIN, Interval.M1, minutes(1), fence=2)
    repository.save(BITCOIN, Interval.M1, minutes(2))  # the stream writes without a lease
    assert len(repository.between(BITCOIN, Interval.M1, None, None)) == 3

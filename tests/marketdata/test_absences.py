"""Bars that the provider did not have: each is asked for again a day after it was asked for, whatever came since."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as some

from domain.coverage import Reason
from domain.interval import Interval
from marketdata import documents
from marketdata.absences import ASK_AGAIN, LATE, Absence, absent_by, asked_at, joined, without
from marketdata.collections import COVERAGE
from marketdata.learning import note_asked
from marketdata.ledger import CoverageLedger
from marketdata.repository import BarRepository
from tests.marketdata.builders import BITCOIN, START, bar

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@given(some.lists(some.integers(0, 200), min_size=1, max_size=120))
def test_each_absence_is_due_in_its_time_and_there_are_few_bitmaps(pauses):
    absences, true, now = (), {}, NOON
    for bit, minutes in enumerate(pauses):
        now += timedelta(minutes=minutes)
        absences, true[1 << bit] = joined(absences, Absence(now, 1 << bit)), now
        assert absent_by(absences, None) == sum(true)
        assert sum(one.bits for one in absences) == sum(true)  # no bar is in two
        assert list(absences) == sorted(absences)
        assert len(absences) <= 40
        for one, since in true.items():
            known = asked_at(absences, one)
            if now - since >= ASK_AGAIN + HOUR:
                assert now - known >= ASK_AGAIN
            else:
                assert since <= known <= since + (HOUR if now - since >= HOUR else LATE)


def test_one_told_by_a_worker_that_was_overtaken_is_put_in_its_place():
    first, second = Absence(NOON, 1), Absence(NOON + HOUR, 2)
    assert joined((second,), first) == (first, second)
    assert without((first, second), 1) == (second,)
    assert joined((second,), Absence(NOON, 0)) == (second,)


def test_an_older_absence_is_asked_again_after_a_day_though_newer_ones_keep_coming(mongo_database):
    """An hour of a thin market is empty every few hours: sixty days of them are in one bitmap."""
    ledger, repository = CoverageLedger(mongo_database), BarRepository(mongo_database)
    begins = bar(0, interval=Interval.H1).open_time
    asked = []
    for hour in range(60):
        now = begins + (hour + 1) * HOUR + timedelta(minutes=3)
        if hour % 3:
            repository.save(BITCOIN, Interval.H1, [bar(hour, interval=Interval.H1)])
        holes = ledger.holes(BITCOIN, Interval.H1, begins, now, now=now)
        asked += [(hole.start, now) for hole in holes if hole.reason is Reason.NONE_AT_PROVIDER]
        note_asked(mongo_database, BITCOIN, Interval.H1, begins, now, asked_at=now)
    due = [(int((begins + hour * HOUR).timestamp()), begins + (hour + 1) * HOUR + DAY) for hour in range(0, 34, 3)]
    late = timedelta(minutes=3)
    again = {start: now for start, now in asked if now - datetime.fromtimestamp(start, UTC) > DAY}
    assert again == {start: moment + late for start, moment in due}


def test_what_was_absent_in_a_document_of_before_is_absent_and_asked_for_again_in_its_time(mongo_database):
    ledger, now = CoverageLedger(mongo_database), bar(9).open_time
    BarRepository(mongo_database).save(BITCOIN, Interval.M1, [bar(n) for n in range(9) if n not in (2, 3)])
    old = {"e": zlib.compress((0b1100).to_bytes(1, "little")), "t": now - DAY + timedelta(minutes=1)}
    identity = documents.key(BITCOIN.id, Interval.M1, int(START.timestamp()))
    assert mongo_database[COVERAGE].update_one({"_id": identity}, {"$set": old}).matched_count == 1
    found = ledger.coverage(BITCOIN, Interval.M1, START, bar(5).open_time, now=now)
    assert (found.empty, found.missing) == (2, 0)
    assert ledger.holes(BITCOIN, Interval.M1, START, bar(5).open_time, now=now) == []
    later = now + timedelta(minutes=1)
    [hole] = ledger.holes(BITCOIN, Interval.M1, START, bar(5).open_time, now=later)
    assert (hole.bars, hole.detail) == (2, f"asked {old['t']:%Y-%m-%d %H:%MZ}")
    note_asked(mongo_database, BITCOIN, Interval.M1, START, bar(5).open_time, asked_at=later)
    assert ledger.holes(BITCOIN, Interval.M1, START, bar(5).open_time, now=later + 9 * DAY) == []

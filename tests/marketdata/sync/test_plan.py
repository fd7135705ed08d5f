"""Plans: what is asked for, told from the ledger alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.coverage import Hole, Reason
from domain.interval import Interval
from marketdata.plan import plan_series
from providers.base import Capabilities
from tests.marketdata.builders import BITCOIN

M1, H1, D1, MN1 = Interval.M1, Interval.H1, Interval.D1, Interval.MN1
NOW = datetime(2026, 11, 25, 10, 30, 40, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WINDOW = Capabilities(window_bars=5_000)
NO_WINDOW = Capabilities(page_bars=1_000)


def at(hour, minute=0, *, days=0):
    return datetime(2026, 11, 25, hour, minute, tzinfo=UTC) - timedelta(days=days)


class Ledger:
    """Knows these holes, as (first key, last key), one hour a bar."""

    def __init__(self, *holes, reason=Reason.NOT_ASKED):
        self._holes, self._reason = holes, reason
        self.asked = []

    def holes(self, instrument, interval, start, end, *, now, window_bars):
        self.asked.append((start, end))
        return [
            Hole(int(first.timestamp()), int(last.timestamp()) + 1, int((last - first) / HOUR) + 1, self._reason)
            for first, last in self._holes
        ]


def plan(ledger, start=None, end=None, *, interval=H1, capabilities=WINDOW, **options):
    return plan_series(BITCOIN, interval, start, end, ledger=ledger, capabilities=capabilities, now=NOW, **options)


def asked(found):
    return [(request.start, request.end, request.bars, request.pages) for request in found.requests]


def test_nothing_is_asked_where_nothing_is_missing():
    assert asked(plan(Ledger(), newest=at(9))) == []


def test_a_hole_is_asked_for_whole():
    assert asked(plan(Ledger((at(2), at(4))), newest=at(9))) == [(at(2), at(5), 3, 1)]


def test_two_holes_behind_a_window_cost_one_request():
    holes = Ledger((at(2, days=100), at(3, days=100)), (at(2), at(4)))
    assert asked(plan(holes, newest=at(9))) == [(at(2, days=100), at(5), 5, 1)]


def test_without_a_window_holes_are_put_together_as_far_as_a_page_goes():
    holes = Ledger((at(2, days=100), at(3, days=100)), (at(2, days=2), at(2, days=2)), (at(2), at(4)))
    found = asked(plan(holes, at(0, days=200), capabilities=NO_WINDOW, newest=at(9)))
    assert found == [
        (at(2, days=100), at(4, days=100), 2, 3),  # 2,400 hours back from now
        (at(2, days=2), at(5), 4, 1),
    ]


def test_a_range_beyond_the_window_is_cut_and_said_so():
    found = plan(Ledger(), at(0, days=400), missing_only=False)
    begins = NOW.replace(minute=0, second=0) - 4_999 * HOUR
    assert asked(found) == [(begins, NOW, 5_000, 1)]
    assert (found.truncated_before, found.reason) == (begins, "beyond the provider's window of 5000 bars")


def test_a_range_before_the_window_asks_for_nothing_and_says_why():
    ledger = Ledger()
    found = plan(ledger, at(0, days=400), at(0, days=390))
    assert (asked(found), ledger.asked) == ([], [])
    assert found.truncated_before is not None


def test_holes_that_left_the_window_are_not_asked_for():
    assert asked(plan(Ledger((at(2), at(4)), reason=Reason.BEYOND_WINDOW), newest=at(9))) == []


def test_what_closed_a_moment_ago_is_asked_for_though_it_is_not_missing_yet():
    def minutes(now, newest):
        found = plan_series(BITCOIN, M1, at(9), None, ledger=Ledger(), capabilities=WINDOW, now=now, newest=newest)
        return [request.start for request in found.requests]

    assert minutes(at(10, 30) + timedelta(seconds=40), at(10, 28)) == [at(10, 29)]
    assert minutes(at(10, 30) + timedelta(seconds=40), at(10, 29)) == []
    assert minutes(at(10, 30) + timedelta(seconds=5), at(10, 28)) == []  # the provider has hardly closed it
    assert minutes(at(10, 35), at(10, 28)) == [at(10, 33)]  # what is older is the ledger's to tell


def test_from_the_first_unconfirmed_bar_on_everything_is_asked_for():
    holes = Ledger((at(1), at(1)), (at(6), at(6)))
    found = asked(plan(holes, newest=at(9), unconfirmed_from=at(4)))
    assert found == [(at(1), NOW, 1 + 7, 1)]
    found = asked(plan(Ledger(), at(5), newest=at(9), unconfirmed_from=at(4)))
    assert found == [(at(5), NOW, 6, 1)]


@pytest.mark.parametrize("interval", list(Interval))
def test_the_first_sync_of_a_series_takes_all_that_the_provider_has(interval):
    [request] = plan(Ledger(), interval=interval, missing_only=False).requests
    assert request.to_the_beginning
    assert request.bars in (5_000, 5_001)
    [request] = plan(Ledger(), at(0, days=1), interval=M1, missing_only=False).requests
    assert not request.to_the_beginning


def test_a_later_sync_goes_to_the_beginning_only_where_the_first_bar_of_the_window_is_missing():
    begins = NOW.replace(minute=0, second=0) - 4_999 * HOUR
    [request] = plan(Ledger((begins, begins + HOUR)), newest=at(9)).requests
    assert request.to_the_beginning
    [request] = plan(Ledger((begins + HOUR, begins + HOUR)), newest=at(9)).requests
    assert not request.to_the_beginning

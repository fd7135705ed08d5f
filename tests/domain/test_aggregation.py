"""The fold, rule by rule."""

from __future__ import annotations

from domain.aggregation import Aggregator
from domain.interval import Interval
from tests.factories import SYMBOL, bar, instrument, tick


def test_the_first_tick_of_a_later_minute_closes_the_minute():
    fold = Aggregator()
    fold.follow(instrument())
    for one in (tick("10:00:05", 100), tick("10:00:59", 103), tick("10:01:00", 99)):
        fold.add(one, None)
    events = fold.drain()
    assert [(event.kind, event.bar) for event in events] == [
        ("closed", bar("10:00", open=100, close=103, volume=2, trades=2, partial=True))
    ]
    assert fold.forming(SYMBOL, Interval.H1).close == 99

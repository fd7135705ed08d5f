"""Seeding and checkpoints: how the fold goes on from what it did not hear."""

from __future__ import annotations

import json

import pytest

from domain.aggregation import Aggregator, HistoryRange
from domain.bar import Bar, BarSource, BarState
from domain.interval import Interval
from tests.factories import SYMBOL, at, bar, instrument, ns, second, tick


def final(time: str, interval: str = "1m", **fields) -> Bar:
    return bar(time, interval, **{"state": BarState.FINAL, "source": BarSource.HISTORY, "trades": 1} | fields)


def minutes(start: str, end: str) -> list[Bar]:
    """A bar for each minute of ``[start, end)``, each with volume 1 and its minute's number as price."""
    numbers = range(second(start) // 60, second(end) // 60)
    return [final(f"2026-01-05 {n // 60 % 24:02}:{n % 60:02}", open=100 + n % 60) for n in numbers]


@pytest.fixture
def fold() -> Aggregator:
    """Begun at 10:07:30; the minutes 10:08 and 10:09 are whole, 10:10 is forming."""
    fold = Aggregator()
    fold.follow(instrument())
    for time in ("10:07:30", "10:08:30", "10:09:30", "10:10:30"):
        fold.add(tick(time, 200), ns(time))
    fold.drain()
    return fold


def shown(fold: Aggregator, interval: str) -> tuple[float, float, bool]:
    """Low, volume and mark of a forming bar."""
    found = fold.forming(SYMBOL, Interval(interval))
    return found.low, found.volume, found.partial


class TestSeeding:
    def test_puts_history_before_what_was_heard_and_lifts_the_mark(self, fold):
        assert shown(fold, "4h") == (200, 4, True)
        fold.seed(SYMBOL, minutes("08:00", "10:08"), through=second("10:08"))
        assert shown(fold, "15m") == (100, 8 + 3, False)
        assert shown(fold, "4h") == (100, 128 + 3, False)

    def test_takes_the_histories_word_for_the_minute_that_was_heard_in_part(self, fold):
        fold.seed(SYMBOL, minutes("08:00", "10:10"), through=second("10:10"))
        assert shown(fold, "15m") == (100, 10 + 1, False)

    def test_leaves_the_mark_where_history_ends_before_we_heard_whole_minutes(self, fold):
        fold.seed(SYMBOL, minutes("08:00", "10:05"), through=second("10:05"))
        assert shown(fold, "15m") == (100, 5 + 4, True)
        assert shown(fold, "5m") == (200, 1, False), "its window began after the first whole minute"

    def test_may_be_repeated_with_a_later_end(self, fold):
        fold.seed(SYMBOL, minutes("08:00", "10:05"), through=second("10:05"))
        fold.seed(SYMBOL, minutes("08:00", "10:09"), through=second("10:09"))
        assert shown(fold, "15m") == (100, 9 + 2, False)
        fold.seed(SYMBOL, minutes("08:00", "10:10"), through=second("10:10"))
        assert shown(fold, "15m") == (100, 9 + 2, False), "all has been heard, so there is nothing to seed"

    def test_is_not_needed_twice_for_what_follows(self, fold):
        fold.seed(SYMBOL, minutes("08:00", "10:08"), through=second("10:08"))
        for time in ("10:11:30", "10:15:00"):
            fold.add(tick(time, 200), ns(time))
        closed = {event.bar.interval: event.bar for event in fold.drain() if event.kind == "closed"}
        assert (closed["15m"].low, closed["15m"].volume, closed["15m"].partial) == (100, 8 + 4, False)

    def test_amends_a_bar_that_closed_without_its_beginning(self, fold):
        fold.add(tick("10:12:00", 200), ns("10:12:00"))  # 3m of 10:09 ends; 5m of 10:05 ended at 10:10 and settled
        fold.drain()
        fold.seed(SYMBOL, minutes("08:00", "10:08"), through=second("10:08"))
        assert fold.drain() == []
        fold.mark_gap(SYMBOL)
        for time in ("10:12:30", "10:15:00"):
            fold.add(tick(time, 200), ns(time))
        fold.drain()
        fold.seed(SYMBOL, minutes("08:00", "10:13"), through=second("10:13"))
        amended = {one.bar.interval: one.bar for one in fold.drain() if one.kind == "amended"}
        assert set(amended) == {"3m", "5m", "15m"}
        assert (amended["15m"].low, amended["15m"].volume, amended["15m"].partial) == (100, 13, False)

    def test_closes_the_minute_that_history_has_already(self, fold):
        fold.seed(SYMBOL, minutes("08:00", "10:11"), through=second("10:11"))
        assert [(event.kind, event.bar.interval) for event in fold.drain()] == [("closed", "1m")]
        assert shown(fold, "15m") == (100, 11, False)

    def test_keeps_a_minute_that_was_heard_and_history_does_not_have_yet(self, fold):
        fold.seed(SYMBOL, minutes("08:00", "10:08"), through=second("10:11"))
        assert shown(fold, "15m") == (100, 8 + 3, False)

    def test_does_not_count_a_late_tick_twice(self, fold):
        fold.seed(SYMBOL, minutes("08:00", "10:10"), through=second("10:10"))
        fold.add(tick("10:09:59", 50), ns("10:10:30"))
        assert fold.counts(SYMBOL).late == 1
        fold.add(tick("10:10:31", 200), ns("10:10:31"))
        assert shown(fold, "15m") == (100, 12, False)

    def test_amends_our_own_closed_bars_but_not_what_history_holds(self):
        fold = Aggregator()
        fold.follow(instrument(), lateness_ns=60 * 10**9)
        for time in ("10:07:30", "10:08:30", "10:09:05"):
            fold.add(tick(time, 200), ns(time))
        fold.seed(SYMBOL, minutes("08:00", "10:09"), through=second("10:09"))
        fold.drain()
        fold.add(tick("10:08:59", 50), ns("10:09:06"))
        amended = [(event.kind, event.bar.interval, event.bar.low) for event in fold.drain()]
        assert amended == [("amended", "1m", 50), ("amended", "3m", 50)]
        assert shown(fold, "15m") == (100, 10, False)

    def test_does_not_know_trades_where_history_does_not(self, fold):
        history = [final("10:00", trades=None), *minutes("08:00", "10:00"), *minutes("10:01", "10:08")]
        fold.seed(SYMBOL, history, through=second("10:08"))
        assert fold.forming(SYMBOL, Interval.M15).trades is None
        assert fold.forming(SYMBOL, Interval.M5).trades == 1

    def test_uses_long_bars_for_what_lies_further_back(self, fold):
        days = [final(f"2026-01-0{day}", "1d", low=50 + day, volume=1000) for day in range(1, 5)]
        hours = [final("00:00", "4h", low=40, volume=100), final("04:00", "4h", low=41, volume=100)]
        fold.seed(SYMBOL, [*days, *hours, *minutes("07:30", "10:08")], through=second("10:08"))
        assert shown(fold, "1d") == (40, 200 + 128 + 3, False)
        assert shown(fold, "1w") == (40, 200 + 128 + 3, False)
        assert shown(fold, "1M") == (40, 4000 + 200 + 128 + 3, False)

    def test_leaves_the_mark_on_windows_that_history_does_not_reach_back_to(self, fold):
        fold.seed(SYMBOL, minutes("10:00", "10:08"), through=second("10:08"))
        marks = [shown(fold, name)[2] for name in ("15m", "45m", "1h", "2h", "3h", "4h", "1d", "1w", "1M")]
        assert marks == [False, True, False, False, True, True, True, True, True]

    def test_takes_our_word_for_minutes_without_a_trade(self, fold):
        quiet = minutes("10:03", "10:08")
        fold.seed(SYMBOL, quiet, through=second("10:08"))
        assert shown(fold, "15m") == (103, 5 + 3, True)
        fold.seed(SYMBOL, quiet, through=second("10:08"), since=second("2026-01-01 00:00"))
        assert shown(fold, "15m") == (103, 5 + 3, False)
        assert shown(fold, "1M") == (103, 5 + 3, False)

    def test_shows_history_before_the_first_tick(self):
        fold = Aggregator()
        fold.follow(instrument())
        fold.seed(SYMBOL, minutes("08:00", "10:08"), through=second("10:08"))
        assert shown(fold, "15m") == (100, 8, True), "nobody listens yet"
        fold.close_due(ns("10:15:02"))
        assert [event.bar.interval for event in fold.drain()][-1] == "15m"

    def test_asks_for_the_bars_that_complete_every_running_window(self):
        fold = Aggregator()
        fold.follow(instrument())
        assert fold.wanted_history(SYMBOL, second("10:08")) == [
            HistoryRange(Interval.M1, second("08:00"), second("10:08")),
            HistoryRange(Interval.H4, second("00:00"), second("08:00")),
            HistoryRange(Interval.D1, second("2026-01-01 00:00"), second("2026-01-05 00:00")),
        ]
        assert fold.wanted_history(SYMBOL, second("12:01"))[0].start == second("12:00")
        assert fold.wanted_history(SYMBOL, second("04:01"))[0].start == second("03:00"), "3h began before 4h"

    def test_asks_for_days_by_their_key_at_night(self):
        fold = Aggregator()
        fold.follow(instrument(calendar="XNYS"))
        night = second("2026-01-07 03:00")
        assert fold.wanted_history(SYMBOL, night)[1:] == [
            HistoryRange(Interval.D1, second("2026-01-01 00:00"), night),
        ]

    def test_goes_on_through_a_lunch_break(self):
        fold = Aggregator()
        fold.follow(instrument(calendar="XTKS"))
        lunch = second("2026-01-05 02:45")
        history = [final("02:29", calendar="XTKS", open=7), final("00:00", calendar="XTKS", open=9)]
        fold.seed(SYMBOL, history, through=lunch)
        day = fold.forming(SYMBOL, Interval.D1)
        assert (day.open, day.close) == (9, 7)
        assert fold.forming(SYMBOL, Interval.H4) is None

    def test_keeps_minutes_before_the_regular_session_out_of_the_week(self):
        fold = Aggregator()
        fold.follow(instrument(calendar="XNYS/extended"))
        early = "2026-01-06 13:30"
        monday = final("2026-01-05 15:00", "1d", calendar="XNYS", open=9)
        history = [final(early, calendar="XNYS/extended", open=1), monday]
        fold.seed(SYMBOL, history, through=second("2026-01-06 13:31"))
        assert fold.forming(SYMBOL, Interval.W1).low == 9
        assert fold.forming(SYMBOL, Interval.H1).low == 1

    def test_waits_for_a_history_that_has_the_auction_prints_which_were_heard(self):
        fold = Aggregator()
        fold.follow(instrument(calendar="XLON"))
        for time in ("16:28:30", "16:29:30", "16:33:00"):
            fold.add(tick(time, 200), ns(time))
        day = fold.forming(SYMBOL, Interval.D1)
        fold.seed(SYMBOL, [final("16:29", calendar="XLON")], through=second("16:32"))
        assert fold.forming(SYMBOL, Interval.W1).volume == day.volume == 3


class TestACheckpoint:
    def test_is_json_that_any_reader_keeps(self, fold):
        def integers(part):
            if isinstance(part, dict | list):
                return [found for one in (part.values() if isinstance(part, dict) else part) for found in integers(one)]
            return [part] if isinstance(part, int) else []

        state = json.loads(json.dumps(fold.checkpoint(), allow_nan=False))
        assert max(integers(state)) < 2**53

    def test_goes_on_in_the_minute_that_was_forming(self, fold):
        state = fold.checkpoint()
        for follow_first in (True, False):
            restarted = Aggregator()
            if follow_first:
                restarted.follow(instrument())
            restarted.restore(state)
            restarted.follow(instrument())
            restarted.add(tick("10:10:40", 201), ns("10:10:40"))
            found = restarted.forming(SYMBOL, Interval.M1)
            assert (found.open, found.close, found.trades, found.partial) == (200, 201, 2, False)

    def test_followed_by_a_gap_makes_that_minute_partial(self, fold):
        restarted = Aggregator()
        restarted.follow(instrument())
        restarted.restore(fold.checkpoint())
        restarted.mark_gap(SYMBOL)
        assert restarted.forming(SYMBOL, Interval.M1).partial

    def test_closes_what_ended_in_the_meantime(self, fold):
        restarted = Aggregator()
        restarted.follow(instrument())
        restarted.close_due(ns("11:30:00"))
        restarted.restore(fold.checkpoint())
        restarted.close_due(ns("11:30:01"))
        assert {event.bar.interval.value for event in restarted.drain()} == {
            "1m",
            "3m",
            "5m",
            "15m",
            "30m",
            "45m",
            "1h",
        }

    def test_keeps_seeded_windows_that_have_no_tick_yet(self):
        fold = Aggregator()
        fold.follow(instrument())
        fold.seed(SYMBOL, [final("10:00", trades=None)], through=second("10:05"))
        restarted = Aggregator()
        restarted.restore(json.loads(json.dumps(fold.checkpoint(), allow_nan=False)))
        restarted.follow(instrument())
        assert restarted.checkpoint() == fold.checkpoint()
        assert restarted.forming(SYMBOL, Interval.M15) == fold.forming(SYMBOL, Interval.M15)

    def test_remembers_what_must_be_healed_and_symbols_not_followed_since(self, fold):
        between = Aggregator()
        between.restore(fold.checkpoint())
        assert between.checkpoint() == fold.checkpoint()
        assert between.take_healing() == [(SYMBOL, second("10:07"))]

    def test_of_another_calendar_or_lot_step_is_left_aside(self, fold):
        restarted = Aggregator()
        restarted.restore(fold.checkpoint())
        restarted.follow(instrument(calendar="forex"))
        assert restarted.forming(SYMBOL, Interval.M1) is None

    def test_of_another_version_is_refused(self):
        with pytest.raises(ValueError, match="version 99"):
            Aggregator().restore({"version": 99})


def test_times_are_what_the_factory_says():
    assert at("10:00:05").isoformat() == "2026-01-05T10:00:05+00:00"

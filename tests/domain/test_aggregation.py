"""The fold, rule by rule."""

from __future__ import annotations

import pytest

from domain.aggregation import Aggregator, BarEvent
from domain.bar import Bar
from domain.errors import UnknownCalendar
from domain.interval import Interval
from tests.factories import SYMBOL, at, bar, instrument, ns, second, tick


def folding(*ticks, now=None, calendar="24/7", lateness=10, **fields) -> Aggregator:
    """A fold that follows one symbol and has taken in ``ticks``; a warm-up minute long before makes none partial."""
    fold = Aggregator()
    fold.follow(instrument(calendar=calendar, **fields), lateness_ns=lateness * 10**9)
    return fed(fold, *ticks, now=now)


def fed(fold: Aggregator, *ticks, now=None) -> Aggregator:
    for one in ticks:
        fold.add(one, None if now is None else ns(now))
    return fold


def told(events: list[BarEvent], *intervals: str, kinds: str = "closed amended settled") -> list[tuple[str, Bar]]:
    """(kind, bar) of the wanted intervals and kinds."""
    return [
        (one.kind.value, one.bar)
        for one in events
        if (not intervals or one.bar.interval in intervals) and one.kind in kinds.split()
    ]


def closed(events: list[BarEvent], *intervals: str) -> list[tuple[str, str]]:
    """Interval and clock time of what closed, in order."""
    return [(found.interval.value, f"{found.open_time:%H:%M}") for _, found in told(events, *intervals, kinds="closed")]


class TestAMinute:
    def test_is_closed_by_the_symbols_own_first_tick_of_a_later_minute(self):
        fold = folding(tick("10:00:05", 100), tick("10:00:59", 103))
        assert fold.drain() == []
        fed(fold, tick("10:01:00", 99))
        assert told(fold.drain()) == [("closed", bar("10:00", open=100, close=103, volume=2, trades=2, partial=True))]

    def test_holds_its_first_nanosecond_and_not_the_first_of_the_next(self):
        start = ns("10:00")
        fold = folding(tick(start, 1), tick(start + 60 * 10**9 - 1, 2), tick(start + 60 * 10**9, 3))
        assert told(fold.drain()) == [("closed", bar("10:00", open=1, close=2, volume=2, trades=2, partial=True))]

    def test_opens_at_its_least_key_and_closes_at_its_greatest_in_whatever_order_they_arrive(self):
        fold = folding(
            tick("10:00:30", 5, seq=2), tick("10:00:30", 7, seq=1), tick("10:00:30", 6, seq=3), tick("10:01:00", 1)
        )
        expected = bar("10:00", open=7, high=7, low=5, close=6, volume=3, trades=3, partial=True)
        assert told(fold.drain()) == [("closed", expected)]

    def test_sums_sizes_exactly(self):
        fold = folding(*(tick("10:00:30", 1, size=0.1) for _ in range(10)), tick("10:01", 1))
        [(_, found)] = told(fold.drain())
        assert found.volume == 1.0  # ten times 0.1 as floats is 0.9999999999999999

    def test_counts_a_trade_without_size(self):
        fold = folding(tick("10:00:30", 1, size=0), tick("10:01", 1))
        assert told(fold.drain()) == [("closed", bar("10:00", open=1, volume=0, trades=1, partial=True))]

    def test_without_a_tick_has_no_bar(self):
        fold = folding(tick("10:00:30"), tick("10:03:30"), tick("10:04:00"))
        assert closed(fold.drain(), "1m") == [("1m", "10:00"), ("1m", "10:03")]

    def test_is_not_closed_by_another_symbols_tick(self):
        fold = folding(tick("10:00:30"))
        fold.follow(instrument("DEMO:ETHUSD"))
        fed(fold, tick("10:05:00", symbol="DEMO:ETHUSD"))
        assert fold.drain() == []

    def test_refuses_to_make_a_bar_of_a_price_that_is_none(self):
        fold = folding(tick("10:00:30", float("inf")))
        with pytest.raises(ValueError, match="finite"):
            fed(fold, tick("10:01:00"))


class TestParents:
    def test_close_after_their_children_and_before_anything_later(self):
        fold = folding(tick("10:14:30", 100), tick("10:15:00", 101))
        assert closed(fold.drain()) == [("1m", "10:14"), ("3m", "10:12"), ("5m", "10:10"), ("15m", "10:00")]

    def test_close_though_their_last_minutes_were_empty(self):
        fold = folding(tick("10:01:30", 100), tick("23:50:00", 101))
        assert closed(fold.drain()) == [
            ("1m", "10:01"), ("3m", "10:00"), ("5m", "10:00"), ("15m", "10:00"), ("45m", "09:45"), ("30m", "10:00"),
            ("1h", "10:00"), ("3h", "09:00"), ("2h", "10:00"), ("4h", "08:00"),
        ]  # fmt: skip

    def test_are_named_and_spanned_by_the_calendar(self):
        fold = folding(tick("2026-01-05 23:30", 100, symbol=SYMBOL), calendar="CMES")  # 17:30 in Chicago
        day = fold.forming(SYMBOL, Interval.D1)
        assert (day.open_time, day.starts_at) == (at("2026-01-06"), at("2026-01-05 23:00"))
        assert day.close_time == at("2026-01-06 22:00")

    def test_of_a_forex_week_begin_on_sunday_evening(self):
        fold = folding(tick("2026-03-08 21:00:01", 1.1), calendar="forex")  # 17:00 in New York, on summer time
        week = fold.forming(SYMBOL, Interval.W1)
        assert (week.open_time, week.starts_at) == (at("2026-03-09"), at("2026-03-08 21:00"))

    @pytest.mark.parametrize(("day", "opened"), [("2026-03-06", "14:30"), ("2026-03-09", "13:30")])
    def test_follow_the_sessions_clock_across_the_clock_change(self, day, opened):
        fold = folding(tick(f"{day} {opened}:05"), tick(f"{day} 19:59:59"), calendar="XNYS")
        four_hours = told(fold.drain(), "4h", kinds="closed")
        assert [found.open_time for _, found in four_hours] == [at(f"{day} {opened}")]


class TestTheSweep:
    def test_closes_at_the_end_plus_the_grace_and_not_before(self):
        fold = folding(tick("10:00:30"), now="10:00:30")
        fold.close_due(ns("10:01:02") - 1)
        assert fold.drain() == []
        fold.close_due(ns("10:01:02"))
        assert closed(fold.drain()) == [("1m", "10:00")]

    def test_closes_the_last_bars_of_a_session_that_no_tick_follows(self):
        fold = folding(tick("2026-01-05 20:59:30"), now="2026-01-05 20:59:30", calendar="XNYS")
        fold.close_due(ns("2026-01-05 21:00:02"))
        assert [name for name, _ in closed(fold.drain())] == [
            "1m", "3m", "5m", "15m", "45m", "30m", "1h", "3h", "2h", "4h", "1d"
        ]  # fmt: skip

    def test_closes_parents_whose_last_minutes_were_empty(self):
        fold = folding(tick("10:00:30"), now="10:00:30")
        for minute in range(1, 15):
            fold.close_due(ns(f"10:{minute:02}:02"))
        assert closed(fold.drain()) == [("1m", "10:00"), ("3m", "10:00"), ("5m", "10:00")]
        fold.close_due(ns("10:15:02"))
        assert closed(fold.drain()) == [("15m", "10:00")]

    def test_looks_at_the_clock_less_the_feeds_delay(self):
        fold = folding(tick("10:00:30"), now="10:15:30", delay_seconds=900)
        fold.close_due(ns("10:15:59"))
        assert fold.drain() == []
        fold.close_due(ns("10:16:02"))
        assert closed(fold.drain()) == [("1m", "10:00")]

    def test_leaves_a_minute_that_it_closed_open_to_amendment(self):
        fold = folding(tick("10:00:30", 100), now="10:00:30")
        fold.close_due(ns("10:01:02"))
        fed(fold, tick("10:00:59", 103), now="10:01:03")
        assert [kind for kind, _ in told(fold.drain(), "1m")] == ["closed", "amended"]

    def test_finds_a_symbol_that_is_followed_later(self):
        fold = folding(now="10:00:30")
        fold.close_due(ns("10:00:30"))
        fold.follow(instrument("DEMO:ETHUSD", delay_seconds=3))
        fed(fold, tick("10:00:40", symbol="DEMO:ETHUSD"), now="10:00:43")
        fold.close_due(ns("10:01:05"))
        assert closed(fold.drain()) == [("1m", "10:00")]


class TestALateTick:
    def test_amends_the_closed_minute_and_each_closed_parent(self):
        fold = folding(tick("10:14:30", 100), tick("10:15:05", 101))
        fold.drain()
        fed(fold, tick("10:14:58", 104))
        expected = {"open": 100, "high": 104, "close": 104, "volume": 2, "trades": 2, "partial": True}
        assert told(fold.drain()) == [("amended", bar("10:14", name, **expected)) for name in ("1m", "3m", "5m", "15m")]
        assert fold.forming(SYMBOL, Interval.H1).high == 104
        assert fold.counts(SYMBOL).amended == 1

    def test_reaches_parents_that_are_open_without_telling(self):
        fold = folding(tick("10:00:30", 100), tick("10:01:05", 101))
        fold.drain()
        fed(fold, tick("10:00:58", 104))
        assert [found.interval for _, found in told(fold.drain())] == [Interval.M1]
        assert fold.forming(SYMBOL, Interval.M3).high == 104

    def test_is_no_tick_of_the_close_if_a_later_one_is_there(self):
        fold = folding(tick("10:00:10", 100), tick("10:00:59", 103), tick("10:01:00", 99))
        fold.drain()
        fed(fold, tick("10:00:58", 104))
        expected = bar("10:00", open=100, high=104, low=100, close=103, volume=3, trades=3, partial=True)
        assert told(fold.drain()) == [("amended", expected)]

    def test_makes_a_closed_bar_where_there_was_none(self):
        fold = folding(tick("10:00:30"), tick("10:02:01"), lateness=60)
        fold.drain()
        fed(fold, tick("10:01:30", 7))
        assert told(fold.drain(), "1m") == [("closed", bar("10:01", open=7))]
        assert fold.forming(SYMBOL, Interval.M3).low == 7

    def test_does_not_change_a_bar_that_was_given_out(self):
        fold = folding(tick("10:00:30", 100), tick("10:01:00", 101))
        [(_, given)] = told(fold.drain(), "1m")
        fed(fold, tick("10:00:40", 500))
        assert given.high == 100

    def test_may_amend_either_of_the_last_two_closed_minutes(self):
        fold = folding(tick("09:58:00"), tick("10:00:30", 100), tick("10:01:20", 101), lateness=60, now="10:01:20")
        fold.close_due(ns("10:02:02"))
        fold.drain()
        fed(fold, tick("10:00:40", 90), tick("10:01:10", 91), now="10:02:03")
        assert [(kind, f"{found.open_time:%H:%M}", found.low) for kind, found in told(fold.drain(), "1m")] == [
            ("amended", "10:00", 90), ("amended", "10:01", 91)
        ]  # fmt: skip

    def test_inside_the_forming_minute_is_never_too_late(self):
        fold = folding(tick("10:00:59"), tick("10:00:01", 7), tick("10:01:00"))
        assert told(fold.drain(), "1m")[0][1].open == 7
        assert fold.counts(SYMBOL).late == 0

    @pytest.mark.parametrize("seconds", [-1, 61])
    def test_may_be_late_by_a_minute_at_most(self, seconds):
        with pytest.raises(ValueError, match="0 to 60 s"):
            folding(lateness=seconds)


class TestSettling:
    def test_comes_when_the_greatest_event_time_passes_the_end_plus_the_lateness(self):
        fold = folding(tick("10:00:30"), tick("10:01:09.999999"))
        assert [kind for kind, _ in told(fold.drain())] == ["closed"]
        fed(fold, tick("10:01:10"))
        assert told(fold.drain()) == [("settled", bar("10:00", partial=True))]

    def test_tells_the_last_version(self):
        fold = folding(tick("10:00:30", 100), tick("10:01:00"), tick("10:00:59", 103), tick("10:01:10"))
        [_, (amended, version), (settled, last)] = told(fold.drain(), "1m")
        assert (amended, settled) == ("amended", "settled")
        assert last == version
        assert last.close == 103

    def test_is_final_for_ticks_which_are_counted_and_their_minutes_queued_for_healing(self):
        fold = folding(tick("09:59:00"), tick("10:00:30"), tick("10:01:30"))
        fold.take_healing()
        fold.drain()
        fed(fold, tick("10:00:59", 500), tick("10:00:58", 501))
        assert fold.drain() == []
        assert fold.counts(SYMBOL).late == 2
        assert fold.take_healing() == [(SYMBOL, second("10:00"))]
        assert fold.take_healing() == []

    def test_is_not_the_clocks_doing(self):
        fold = folding(tick("10:00:30"), now="10:00:30")
        fold.close_due(ns("10:59:00"))
        fed(fold, tick("10:00:59", 103), now="10:59:00")
        assert [kind for kind, _ in told(fold.drain(), "1m")] == ["closed", "amended"]


class TestATickFromTheFuture:
    def test_is_refused_and_makes_no_other_tick_late(self):
        fold = folding(tick("10:00:30"), tick("11:00:30"), tick("10:00:31"), now="10:00:30")
        assert fold.counts(SYMBOL)[:3] == (2, 0, 1)
        assert fold.drain() == []

    def test_may_be_five_seconds_ahead(self):
        fold = folding(tick(ns("10:00:35")), tick(ns("10:00:35") + 1), now="10:00:30")
        assert fold.counts(SYMBOL)[:3] == (1, 0, 1)

    def test_is_refused_inside_the_forming_minute_too(self):
        fold = folding(tick("10:00:10"), tick("10:00:12"), tick("10:00:30"), now="10:00:10")
        assert fold.counts(SYMBOL)[:3] == (2, 0, 1)

    def test_is_measured_from_the_clock_less_the_feeds_delay(self):
        fold = folding(tick("10:00:00"), tick("10:00:06"), now="10:15:00", delay_seconds=900)
        assert fold.counts(SYMBOL)[:3] == (1, 0, 1)

    def test_does_not_exist_in_a_recording_whose_jumps_are_counted(self):
        fold = folding(tick("10:00:30"), tick("11:00:29"), tick("13:00:30"), tick("11:00:31"))
        assert fold.counts(SYMBOL) == (3, 1, 0, 0, 0, 1)

    def test_is_noticed_again_after_the_clock_was_put_back(self):
        fold = folding(tick("11:00:30"), now="11:00:30")
        fold.close_due(ns("11:01:02"))
        fold.close_due(ns("10:59:00"))
        fed(fold, tick("11:01:03"), now="10:59:00")
        assert fold.counts(SYMBOL).future == 1


class TestASession:
    def test_has_no_bar_for_a_tick_in_the_lunch_break(self):
        fold = folding(tick("2026-01-05 03:00:00"), calendar="XTKS")  # 12:00 in Tokyo
        assert fold.counts(SYMBOL).out_of_session == 1
        assert all(fold.forming(SYMBOL, interval) is None for interval in Interval)

    def test_restarts_the_grid_after_lunch(self):
        fold = folding(
            tick("2026-01-05 02:20:00"), tick("2026-01-05 03:30:00"), tick("2026-01-05 03:31:00"), calendar="XTKS"
        )
        assert told(fold.drain(), "45m", "4h")[0][1].close_time == at("2026-01-05 02:30")
        assert fold.forming(SYMBOL, Interval.H1).open_time == at("2026-01-05 03:30")

    def test_takes_its_closing_auction_into_the_last_minute_and_its_parents(self):
        fold = folding(tick("2026-01-05 16:29:30", 100), now="2026-01-05 16:29:30", calendar="XLON")
        fold.close_due(ns("2026-01-05 16:30:02"))
        assert len(told(fold.drain(), kinds="closed")) == 11
        fed(fold, tick("2026-01-05 16:35:10", 105), tick("2026-01-05 16:36:00", 106), now="2026-01-05 16:36:00")
        events = told(fold.drain())
        assert {kind for kind, _ in events} == {"amended"}
        minute = [found for _, found in events if found.interval == "1m"][-1]
        day = [found for _, found in events if found.interval == "1d"][-1]
        assert (minute.open_time, minute.close, minute.volume) == (at("2026-01-05 16:29"), 106, 3)
        assert (day.open_time, day.close, day.volume) == (at("2026-01-05"), 106, 3)
        assert fold.counts(SYMBOL).out_of_session == 0

    def test_settles_only_after_its_closing_auction(self):
        fold = folding(
            tick("2026-01-05 16:29:30"), tick("2026-01-05 16:39:59"), tick("2026-01-06 08:00"), calendar="XLON"
        )
        kinds = [kind for kind, found in told(fold.drain(), "1d")]
        assert kinds == ["closed", "settled"]
        assert fold.counts(SYMBOL).late == 0

    def test_counts_what_comes_after_the_auction(self):
        fold = folding(tick("2026-01-05 16:40:00"), calendar="XLON")
        assert fold.counts(SYMBOL).out_of_session == 1

    def test_keeps_extended_hours_out_of_the_day(self):
        ticks = [tick("2026-01-05 13:00:00", 90), tick("2026-01-05 14:30:00", 100), tick("2026-01-05 21:30:00", 110)]
        fold = folding(*ticks, calendar="XNYS/extended")
        assert [(found.open, found.close) for _, found in told(fold.drain(), "1d", kinds="closed")] == [(100, 100)]
        assert fold.forming(SYMBOL, Interval.D1) is None
        assert fold.forming(SYMBOL, Interval.W1).high == 100
        assert fold.forming(SYMBOL, Interval.H1).open == 110

    def test_holds_no_tick_of_a_time_that_its_calendar_does_not_know(self):
        fold = folding(tick("1850-01-01 12:00"), calendar="XNYS")
        assert fold.counts(SYMBOL).out_of_session == 1


class TestForming:
    def test_is_the_closed_part_merged_with_the_forming_minute(self):
        fold = folding(tick("10:00:30", 100), tick("10:01:30", 90), tick("10:16:30", 110), tick("10:16:40", 105))
        expected = {"open": 100, "high": 110, "low": 90, "close": 105, "volume": 4, "trades": 4}
        assert fold.forming(SYMBOL, Interval.H4) == bar("10:00", "4h", **expected, state="forming", partial=True)
        assert fold.forming(SYMBOL, Interval.M5).open == 110

    def test_is_none_before_the_first_tick_and_for_strangers(self):
        assert folding().forming(SYMBOL, Interval.M1) is None
        assert folding().forming("DEMO:OTHER", Interval.M1) is None

    def test_does_not_end_the_bar(self):
        fold = folding(tick("10:00:30", 100))
        assert fold.forming(SYMBOL, Interval.M1).close == 100
        fed(fold, tick("10:00:31", 101), tick("10:01:00", 1))
        assert told(fold.drain())[0][1].close == 101


class TestFollowing:
    def test_marks_the_first_minute_partial_and_every_bar_that_holds_it(self):
        fold = folding(tick("10:00:30"), tick("10:01:30"), tick("10:03:00"))
        marks = {
            (found.interval.value, f"{found.open_time:%H:%M}"): found.partial
            for _, found in told(fold.drain(), kinds="closed")
        }
        assert marks == {("1m", "10:00"): True, ("1m", "10:01"): False, ("3m", "10:00"): True}
        assert [fold.forming(SYMBOL, one).partial for one in ("1m", "3m", "5m", "1M")] == [False, False, True, True]
        assert fold.take_healing() == [(SYMBOL, second("10:00"))]

    def test_again_changes_nothing_but_delay_and_lateness(self):
        fold = folding(tick("10:00:30", 100), now="10:00:30")
        fold.follow(instrument(delay_seconds=900), lateness_ns=60 * 10**9)
        fed(fold, tick("10:00:40", 101), now="10:15:40")
        assert fold.counts(SYMBOL).ticks == 2
        fold.close_due(ns("10:01:02"))
        assert fold.drain() == []

    def test_needs_a_calendar_that_exists(self):
        with pytest.raises(UnknownCalendar):
            folding(calendar="NOPE")

    def test_is_what_ticks_need(self):
        fold = Aggregator()
        fold.add(tick("10:00:30"), None)
        fold.add_many([tick("10:01:30")], None)
        assert fold.drain() == []

    def test_ends_with_forget(self):
        fold = folding(tick("10:00:30"))
        fold.forget(SYMBOL)
        fed(fold, tick("10:05:00"))
        fold.close_due(ns("11:00"))
        assert fold.drain() == []

    def test_many_at_a_time_is_the_same(self):
        ticks = [tick(ns("10:00") + number * 700_000_000, 100 + number % 7) for number in range(2_000)]
        one, many = folding(*ticks), folding()
        many.add_many(ticks, None)
        assert many.drain() == one.drain()
        assert many.checkpoint() == one.checkpoint()

    def test_says_when_there_is_something_to_drain(self):
        fold = folding(tick("10:00:30"))
        assert not fold.events
        fed(fold, tick("10:01:00"))
        assert fold.events
        fold.drain()
        assert not fold.events


class TestAGap:
    def test_makes_partial_what_is_open_and_the_minute_of_the_next_tick(self):
        fold = folding(tick("09:00:00"), tick("10:00:30"), tick("10:04:30"))
        fold.drain()
        fold.mark_gap(SYMBOL)
        fed(fold, tick("10:06:30"), tick("10:07:00"), tick("10:08:00"))
        marks = {
            (found.interval.value, f"{found.open_time:%H:%M}"): found.partial
            for _, found in told(fold.drain(), kinds="closed")
        }
        assert marks[("1m", "10:04")], "its end was missed"
        assert marks[("5m", "10:00")]
        assert marks[("1m", "10:06")], "its beginning was missed"
        assert not marks[("1m", "10:07")]
        assert (SYMBOL, second("10:06")) in fold.take_healing()

    def test_inside_a_minute_leaves_the_next_one_whole(self):
        fold = folding(tick("10:00:10"), tick("10:01:10"))
        fold.mark_gap(SYMBOL)
        fed(fold, tick("10:01:50"), tick("10:02:00"), tick("10:03:00"))
        minutes = told(fold.drain(), "1m", kinds="closed")
        assert [found.partial for _, found in minutes] == [True, True, False]

    def test_of_a_stranger_is_nothing(self):
        folding().mark_gap("DEMO:OTHER")

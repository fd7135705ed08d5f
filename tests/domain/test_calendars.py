"""Where bars lie in time, market by market."""

from __future__ import annotations

import datetime as dt
import itertools
import subprocess
import sys
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.calendars import Calendar, Segment, Window, get_calendar
from domain.errors import UnknownCalendar
from domain.interval import Interval
from domain.session_table import Session, SessionTable

NEW_YORK, LONDON, TOKYO = "America/New_York", "Europe/London", "Asia/Tokyo"
HONG_KONG, CHICAGO, RIYADH, SYDNEY = "Asia/Hong_Kong", "America/Chicago", "Asia/Riyadh", "Australia/Sydney"
CALENDARS = ["24/7", "forex", "XNYS", "XNYS/extended", "XLON", "XTKS", "XHKG", "CMES", "XSAU", "XASX"]


def at(text: str, zone: str = "UTC") -> int:
    """Epoch second of a wall-clock time such as ``2024-03-08 09:30``."""
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def window(start: str, end: str, *, key: str | None = None, zone: str = "UTC") -> Window:
    """A window by its wall-clock ends; its key is its start, or ``key`` as a date at 00:00 UTC."""
    return Window(at(start, zone), at(end, zone), at(start, zone) if key is None else at(key))


def windows(calendar: str, interval: Interval, start: int, end: int) -> list[Window]:
    return list(get_calendar(calendar).windows(interval, start, end))


class TestAroundTheClock:
    def test_intraday_bars_start_at_whole_multiples_since_midnight_utc(self):
        calendar = get_calendar("24/7")
        assert calendar.window(Interval.M45, at("2024-05-05 01:31")) == window("2024-05-05 01:30", "2024-05-05 02:15")
        assert calendar.window(Interval.H4, at("2024-05-05 23:59:59")) == window("2024-05-05 20:00", "2024-05-06 00:00")
        assert len(windows("24/7", Interval.M45, at("2024-05-05"), at("2024-05-06"))) == 32

    def test_a_week_begins_on_monday_also_across_the_new_year(self):
        for moment in ("2024-12-30 00:00", "2025-01-01 12:00", "2025-01-05 23:59:59"):
            week = get_calendar("24/7").window(Interval.W1, at(moment))
            assert week == window("2024-12-30", "2025-01-06")

    def test_february_has_29_days_in_a_leap_year_only(self):
        assert windows("24/7", Interval.MN1, at("2023-02-01"), at("2024-04-01")) == [
            window(f"{year}-{month:02}-01", f"{year + month // 12}-{month % 12 + 1:02}-01")
            for year, month in [(2023, m) for m in range(2, 13)] + [(2024, m) for m in range(1, 4)]
        ]
        assert get_calendar("24/7").window(Interval.D1, at("2024-02-29 12:00")) == window("2024-02-29", "2024-03-01")

    def test_times_before_1970_work_as_well(self):
        week = get_calendar("24/7").window(Interval.W1, at("1969-12-31 23:59"))
        assert week == window("1969-12-29", "1970-01-05")

    def test_it_never_opens_nor_closes(self):
        calendar = get_calendar("24/7")
        assert calendar.is_open(0)
        assert calendar.next_open(0) is None
        assert calendar.next_close(0) is None
        assert calendar.trading_days(dt.date(2024, 2, 28), dt.date(2024, 3, 2))[1].segments == (
            Segment(at("2024-02-29"), at("2024-03-01"), "regular"),
        )


class TestStocks:
    def test_new_york_opens_an_hour_earlier_in_utc_once_its_clock_went_forward(self):
        days = windows("XNYS", Interval.D1, at("2024-03-08"), at("2024-03-12"))
        assert days == [
            window("2024-03-08 14:30", "2024-03-08 21:00", key="2024-03-08"),
            window("2024-03-11 13:30", "2024-03-11 20:00", key="2024-03-11"),
        ]

    def test_new_york_opens_an_hour_later_in_utc_once_its_clock_went_back(self):
        days = windows("XNYS", Interval.D1, at("2024-11-01"), at("2024-11-05"))
        assert days == [
            window("2024-11-01 13:30", "2024-11-01 20:00", key="2024-11-01"),
            window("2024-11-04 14:30", "2024-11-04 21:00", key="2024-11-04"),
        ]

    @pytest.mark.parametrize(
        ("friday", "monday", "before", "after"),
        [("2024-03-29", "2024-04-02", "08:00", "07:00"), ("2024-10-25", "2024-10-28", "07:00", "08:00")],
    )
    def test_london_moves_with_its_own_clock(self, friday, monday, before, after):
        # 2024-03-29 was Good Friday: the session before the change is the Thursday's.
        calendar = get_calendar("XLON")
        eve = calendar.trading_days(dt.date.fromisoformat(friday) - dt.timedelta(1), dt.date.fromisoformat(friday))[0]
        day = calendar.window(Interval.D1, at(f"{monday} 12:00"))
        assert dt.datetime.fromtimestamp(eve.segments[0].start, dt.UTC).strftime("%H:%M") == before
        assert day is not None
        assert dt.datetime.fromtimestamp(day.start, dt.UTC).strftime("%H:%M") == after

    def test_the_last_bar_of_a_session_is_cut_at_the_close(self):
        hours = windows("XNYS", Interval.H4, at("2024-06-03"), at("2024-06-04"))
        assert hours == [
            window("2024-06-03 09:30", "2024-06-03 13:30", zone=NEW_YORK),
            window("2024-06-03 13:30", "2024-06-03 16:00", zone=NEW_YORK),
        ]
        assert windows("XNYS", Interval.H1, at("2024-06-03"), at("2024-06-04"))[-1] == window(
            "2024-06-03 15:30", "2024-06-03 16:00", zone=NEW_YORK
        )

    def test_a_half_day_ends_at_one(self):
        calendar = get_calendar("XNYS")
        assert calendar.window(Interval.D1, at("2024-11-29 12:00", NEW_YORK)) == window(
            "2024-11-29 09:30", "2024-11-29 13:00", key="2024-11-29", zone=NEW_YORK
        )
        assert calendar.window(Interval.M1, at("2024-11-29 13:00", NEW_YORK)) is None

    def test_between_sessions_there_is_no_bar_of_any_interval(self):
        calendar = get_calendar("XNYS")
        for moment in ("2024-06-03 09:29:59", "2024-06-03 16:00", "2024-06-01 12:00", "2024-07-04 12:00"):
            assert [calendar.window(interval, at(moment, NEW_YORK)) for interval in Interval] == [None] * 13

    def test_a_week_is_keyed_by_its_monday_even_when_that_is_a_holiday(self):
        week = get_calendar("XNYS").window(Interval.W1, at("2024-09-04 12:00", NEW_YORK))  # Labor Day was the 2nd
        assert week == window("2024-09-03 09:30", "2024-09-06 16:00", key="2024-09-02", zone=NEW_YORK)

    def test_a_month_is_keyed_by_its_first_day_even_when_that_is_a_weekend(self):
        month = get_calendar("XNYS").window(Interval.MN1, at("2024-06-12 12:00", NEW_YORK))
        assert month == window("2024-06-03 09:30", "2024-06-28 16:00", key="2024-06-01", zone=NEW_YORK)

    def test_the_week_of_the_new_year_is_one_week(self):
        assert windows("XNYS", Interval.W1, at("2024-12-23"), at("2025-01-07")) == [
            window("2024-12-23 09:30", "2024-12-27 16:00", key="2024-12-23", zone=NEW_YORK),
            window("2024-12-30 09:30", "2025-01-03 16:00", key="2024-12-30", zone=NEW_YORK),
            window("2025-01-06 09:30", "2025-01-10 16:00", key="2025-01-06", zone=NEW_YORK),
        ]

    def test_a_leap_day_is_a_trading_day(self):
        day = get_calendar("XNYS").window(Interval.D1, at("2024-02-29 15:00", NEW_YORK))
        assert day == window("2024-02-29 09:30", "2024-02-29 16:00", key="2024-02-29", zone=NEW_YORK)

    def test_a_week_without_a_session_has_no_bar(self):
        # Shanghai was closed from 2024-02-09 (a Friday) to 2024-02-18.
        weeks = windows("XSHG", Interval.W1, at("2024-02-05"), at("2024-02-26"))
        assert [week.key for week in weeks] == [at("2024-02-05"), at("2024-02-19")]

    def test_riyadh_begins_its_week_on_sunday_and_keys_it_by_the_monday_after(self):
        week = window("2024-01-07 10:00", "2024-01-11 15:00", key="2024-01-08", zone=RIYADH)
        calendar = get_calendar("XSAU")
        assert calendar.window(Interval.W1, at("2024-01-07 11:00", RIYADH)) == week
        assert calendar.window(Interval.W1, at("2024-01-11 14:59", RIYADH)) == week
        assert windows("XSAU", Interval.W1, at("2024-01-08"), at("2024-01-09")) == [week]

    @pytest.mark.parametrize(
        ("mic", "zone", "day", "pause", "resume", "first_after"),
        [
            ("XTKS", TOKYO, "2024-06-03", "11:30", "12:30", "15:00"),
            ("XHKG", HONG_KONG, "2024-06-03", "12:00", "13:00", "16:00"),
        ],
    )
    def test_a_lunch_break_cuts_bars_and_restarts_the_grid(self, mic, zone, day, pause, resume, first_after):
        calendar = get_calendar(mic)
        assert calendar.window(Interval.H4, at(f"{day} {resume}", zone)) == window(
            f"{day} {resume}", f"{day} {first_after}", zone=zone
        )
        before = calendar.window(Interval.H1, at(f"{day} {pause}", zone) - 1)
        assert before is not None
        assert before.end == at(f"{day} {pause}", zone)
        assert calendar.window(Interval.M1, at(f"{day} {pause}", zone)) is None
        assert calendar.window(Interval.D1, at(f"{day} {pause}", zone) + 60) is None
        assert [
            segment.kind
            for segment in calendar.trading_days(
                dt.date.fromisoformat(day), dt.date.fromisoformat(day) + dt.timedelta(1)
            )[0].segments
        ] == ["regular", "regular"]

    def test_tokyo_closes_half_an_hour_later_since_november_2024(self):
        days = windows("XTKS", Interval.D1, at("2024-11-01"), at("2024-11-06"))
        assert [day.end for day in days] == [at("2024-11-01 15:00", TOKYO), at("2024-11-05 15:30", TOKYO)]

    def test_seoul_starts_an_hour_late_on_the_day_of_the_entrance_exam(self):
        day = get_calendar("XKRX").window(Interval.D1, at("2025-11-13 16:15", "Asia/Seoul"))
        assert day == window("2025-11-13 10:00", "2025-11-13 16:30", key="2025-11-13", zone="Asia/Seoul")


class TestClosingAuction:
    @pytest.mark.parametrize(
        ("mic", "zone", "close", "minutes"),
        [
            ("XLON", LONDON, "16:30", 10),
            ("XHKG", HONG_KONG, "16:00", 10),
            ("XASX", SYDNEY, "16:00", 12),
            ("XTKS", TOKYO, "15:00", 1),
        ],
    )
    def test_its_prints_belong_to_the_sessions_last_bars(self, mic, zone, close, minutes):
        calendar = get_calendar(mic)
        closed = at(f"2024-06-03 {close}", zone)
        assert calendar.auction_seconds == minutes * 60
        for interval in Interval:
            last = calendar.window(interval, closed - 1)
            assert last is not None
            assert calendar.window(interval, closed) == last
            assert calendar.window(interval, closed + minutes * 60 - 1) == last
            assert calendar.window(interval, closed + minutes * 60) is None
        assert calendar.window(Interval.M1, closed) == Window(closed - 60, closed, closed - 60)
        assert not calendar.is_open(closed)
        assert calendar.trading_day_at(closed) is None

    def test_new_york_has_none_after_the_close(self):
        assert get_calendar("XNYS").auction_seconds == 0
        assert get_calendar("XNYS").window(Interval.M1, at("2024-06-03 16:00", NEW_YORK)) is None


class TestExtendedHours:
    def test_pre_regular_and_post_are_three_grids(self):
        calendar = get_calendar("XNYS/extended")
        day = calendar.trading_days(dt.date(2024, 6, 3), dt.date(2024, 6, 4))[0]
        assert day.segments == (
            Segment(at("2024-06-03 04:00", NEW_YORK), at("2024-06-03 09:30", NEW_YORK), "pre"),
            Segment(at("2024-06-03 09:30", NEW_YORK), at("2024-06-03 16:00", NEW_YORK), "regular"),
            Segment(at("2024-06-03 16:00", NEW_YORK), at("2024-06-03 20:00", NEW_YORK), "post"),
        )
        hours = windows("XNYS/extended", Interval.H4, at("2024-06-03 04:00", NEW_YORK), at("2024-06-04"))
        assert hours == [
            window("2024-06-03 04:00", "2024-06-03 08:00", zone=NEW_YORK),
            window("2024-06-03 08:00", "2024-06-03 09:30", zone=NEW_YORK),
            window("2024-06-03 09:30", "2024-06-03 13:30", zone=NEW_YORK),
            window("2024-06-03 13:30", "2024-06-03 16:00", zone=NEW_YORK),
            window("2024-06-03 16:00", "2024-06-03 20:00", zone=NEW_YORK),
        ]

    def test_days_and_longer_are_the_regular_session_only(self):
        extended, regular = get_calendar("XNYS/extended"), get_calendar("XNYS")
        for moment in ("2024-06-03 08:00", "2024-06-03 16:30"):
            longer = [extended.window(interval, at(moment, NEW_YORK)) for interval in list(Interval)[-3:]]
            assert longer == [None, None, None]
        noon = at("2024-06-03 12:00", NEW_YORK)
        assert extended.window(Interval.D1, noon) == regular.window(Interval.D1, noon)

    def test_after_a_half_day_the_late_session_ends_at_five(self):
        closes = get_calendar("XNYS/extended").next_close(at("2024-11-29 14:00", NEW_YORK))
        assert closes == at("2024-11-29 17:00", NEW_YORK)

    def test_an_exchange_whose_extended_hours_are_not_in_our_table_says_so(self):
        with pytest.raises(UnknownCalendar, match="extended hours of XLON"):
            get_calendar("XLON/extended")


class TestForex:
    def test_the_week_opens_on_sunday_evening_in_new_york_as_mondays_trading_day(self):
        calendar = get_calendar("forex")
        opening = at("2024-06-02 17:00", NEW_YORK)
        assert calendar.window(Interval.M1, opening - 1) is None
        assert calendar.window(Interval.D1, opening) == window(
            "2024-06-02 17:00", "2024-06-03 17:00", key="2024-06-03", zone=NEW_YORK
        )
        week = window("2024-06-02 17:00", "2024-06-07 17:00", key="2024-06-03", zone=NEW_YORK)
        assert calendar.window(Interval.W1, opening) == week
        assert calendar.window(Interval.W1, week.end - 1) == week
        assert calendar.window(Interval.W1, week.end) is None

    def test_a_day_lasts_23_or_25_hours_nowhere_since_clocks_change_while_it_is_closed(self):
        for day in windows("forex", Interval.D1, at("2024-01-01"), at("2025-01-01")):
            assert day.end - day.start == 86_400

    def test_the_clock_change_moves_its_opening_in_utc(self):
        days = windows("forex", Interval.D1, at("2024-03-08"), at("2024-03-12"))
        assert days == [
            window("2024-03-07 22:00", "2024-03-08 22:00", key="2024-03-08"),
            window("2024-03-10 21:00", "2024-03-11 21:00", key="2024-03-11"),
        ]

    def test_trading_goes_on_from_day_to_day_until_friday(self):
        calendar = get_calendar("forex")
        monday = at("2024-06-03 12:00", NEW_YORK)
        assert calendar.next_close(monday) == at("2024-06-07 17:00", NEW_YORK)
        assert calendar.next_open(monday) == at("2024-06-09 17:00", NEW_YORK)
        assert calendar.next_open(at("2024-06-08 12:00", NEW_YORK)) == at("2024-06-09 17:00", NEW_YORK)


class TestEveningOpenFutures:
    def test_the_trading_day_begins_the_evening_before_its_date(self):
        day = get_calendar("CMES").window(Interval.D1, at("2024-06-03 17:00", CHICAGO))
        assert day == window("2024-06-03 17:00", "2024-06-04 16:00", key="2024-06-04", zone=CHICAGO)

    def test_nothing_trades_between_four_and_five(self):
        calendar = get_calendar("CMES")
        for moment in ("2024-06-04 16:00", "2024-06-04 16:59:59"):
            assert [calendar.window(interval, at(moment, CHICAGO)) for interval in Interval] == [None] * 13
        assert calendar.next_open(at("2024-06-04 16:10", CHICAGO)) == at("2024-06-04 17:00", CHICAGO)

    def test_the_grid_starts_at_the_evening_open(self):
        hours = windows("CMES", Interval.H4, at("2024-06-03 17:00", CHICAGO), at("2024-06-04 17:00", CHICAGO))
        assert [hour.start for hour in hours] == [at("2024-06-03 17:00", CHICAGO) + n * 14_400 for n in range(6)]
        assert hours[-1].end == at("2024-06-04 16:00", CHICAGO)

    def test_the_first_trading_day_of_a_week_and_a_month_may_begin_before_them(self):
        calendar = get_calendar("CMES")
        week = window("2024-06-30 17:00", "2024-07-05 16:00", key="2024-07-01", zone=CHICAGO)
        assert calendar.window(Interval.W1, at("2024-06-30 18:00", CHICAGO)) == week
        month = calendar.window(Interval.MN1, at("2024-06-30 18:00", CHICAGO))
        assert month is not None
        assert (month.start, month.key) == (at("2024-06-30 17:00", CHICAGO), at("2024-07-01"))

    @pytest.mark.parametrize(
        ("date", "close"),
        [
            ("2024-06-19", "12:00"),  # Juneteenth
            ("2023-06-19", "12:00"),
            ("2021-06-18", "16:00"),  # not yet kept
            ("2024-11-28", "12:00"),  # Thanksgiving
            ("2024-11-29", "12:15"),
            ("2024-12-24", "12:15"),
            ("2014-06-04", "16:15"),
        ],
    )
    def test_short_days_and_older_hours(self, date, close):
        day = get_calendar("CMES").trading_days(
            dt.date.fromisoformat(date), dt.date.fromisoformat(date) + dt.timedelta(1)
        )[0]
        assert day.segments[-1].end == at(f"{date} {close}", CHICAGO)


class TestWhatIsNotKnown:
    @pytest.mark.parametrize(
        "name", ["", "XXXX", "24/5", "us_futures", "forex/extended", "XNYS/late", "xnys", "A" * 99]
    )
    def test_an_unknown_name_is_refused_with_advice(self, name):
        with pytest.raises(UnknownCalendar, match="MIC such as XNYS"):
            get_calendar(name)

    def test_a_calendar_the_library_cannot_make_is_named(self):
        with pytest.raises(UnknownCalendar, match="calendar of ASEX cannot be made"):
            get_calendar("ASEX")

    def test_a_moment_before_the_calendar_begins_raises(self):
        calendar = get_calendar("XTKS")
        for ask in (
            lambda: calendar.window(Interval.D1, at("1990-06-01")),
            lambda: list(calendar.windows(Interval.D1, at("1990-06-01"), at("1998-01-01"))),
            lambda: calendar.trading_days(dt.date(1990, 1, 1), dt.date(1991, 1, 1)),
            lambda: calendar.is_open(at("2300-01-01")),
        ):
            with pytest.raises(UnknownCalendar, match="XTKS knows 1997-01-01"):
                ask()

    def test_a_week_that_is_only_partly_known_has_no_span(self):
        with pytest.raises(UnknownCalendar, match="all of the 1w"):  # XBOM is known from 1997-01-01, a Wednesday
            get_calendar("XBOM").window(Interval.W1, at("1997-01-02 11:00", "Asia/Kolkata"))

    def test_beyond_the_list_of_holidays_usual_weekdays_are_assumed_and_said_to_be(self):
        calendar = get_calendar("XSAU")
        assert calendar.assumed_from == dt.date(2030, 1, 1)
        days = calendar.trading_days(dt.date(2030, 1, 6), dt.date(2030, 1, 13))
        assert [day.date.strftime("%a") for day in days] == ["Sun", "Mon", "Tue", "Wed", "Thu"]
        assert days[0].segments == (Segment(at("2030-01-06 10:00", RIYADH), at("2030-01-06 15:00", RIYADH), "regular"),)

    def test_where_nothing_is_assumed_there_is_no_such_date(self):
        assert get_calendar("XNYS").assumed_from is None
        assert get_calendar("24/7").assumed_from is None
        assert get_calendar("24/7").known is None
        assert get_calendar("XNYS").known == (dt.date(1962, 1, 1), dt.date(2040, 1, 1))

    def test_other_names_of_a_venue_share_its_hours(self):
        assert get_calendar("XNAS").name == "XNYS"
        assert get_calendar("XCME").name == "CMES"

    def test_the_library_is_not_imported_for_markets_that_do_not_need_it(self):
        code = (
            "import sys; from domain.calendars import get_calendar; get_calendar('24/7'); get_calendar('forex');"
            "sys.exit('exchange_calendars' in sys.modules or 'pandas' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    @pytest.mark.parametrize(
        ("sessions", "complaint"),
        [
            ([Session(0, 30, 600)], "inside a minute"),
            ([Session(0, 600, 600)], "ends before it begins"),
            ([Session(0, 0, 600, 540, 660)], "ends before it begins"),
            ([Session(0, 0, 86_460), Session(1, 86_400, 90_000)], "not after the one before"),
        ],
    )
    def test_a_table_that_would_break_the_grid_cannot_be_made(self, sessions, complaint):
        with pytest.raises(ValueError, match=complaint):
            SessionTable(sessions, first_day=0, end_day=2)


moments = st.integers(at("2021-02-01"), at("2029-11-30"))
calendars = st.sampled_from(CALENDARS).map(get_calendar)
intervals = st.sampled_from(list(Interval))


def segments_between(calendar: Calendar, start: int, end: int) -> list[Segment]:
    first = dt.datetime.fromtimestamp(start, dt.UTC).date() - dt.timedelta(2)
    last = dt.datetime.fromtimestamp(end, dt.UTC).date() + dt.timedelta(3)
    found = [segment for day in calendar.trading_days(first, last) for segment in day.segments]
    return [segment for segment in found if segment.start < end and segment.end > start]


class TestInvariants:
    @given(calendars, intervals, moments)
    @settings(max_examples=300, deadline=None)
    def test_a_moment_in_a_segment_has_a_bar_and_no_other_moment_has(self, calendar, interval, moment):
        found = calendar.window(interval, moment)
        [holding] = segments_between(calendar, moment, moment + 1) or [None]
        belongs = holding is not None and (interval.is_intraday or holding.kind == "regular")
        in_auction = holding is None and calendar.window(Interval.M1, moment) is not None
        assert (found is not None) == (belongs or in_auction)
        assert calendar.is_open(moment) == (holding is not None)
        if found is not None and not in_auction:
            assert found.start <= moment < found.end

    @given(calendars, intervals, moments)
    @settings(max_examples=300, deadline=None)
    def test_every_parent_is_a_union_of_whole_child_bars(self, calendar, interval, moment):
        parent = calendar.window(interval, moment)
        if parent is None or interval.child is None:
            return
        # A week that begins on Sunday is keyed by its Monday: its first day lies a day before its key.
        first = parent.start if interval.is_intraday or interval is Interval.D1 else parent.key - 86_400
        last = parent.end if interval.is_intraday or interval is Interval.D1 else parent.key + 31 * 86_400
        children = [
            child
            for child in calendar.windows(interval.child, first, last)
            if calendar.window(interval, child.start) == parent
        ]
        assert (children[0].start, children[-1].end) == (parent.start, parent.end)
        traded = [s for s in segments_between(calendar, parent.start, parent.end) if s.kind == "regular"]
        if interval.is_intraday:
            assert all(a.end == b.start for a, b in itertools.pairwise(children))
        elif interval is Interval.D1:
            assert sum(c.end - c.start for c in children) == sum(s.end - s.start for s in traded)
        assert all(calendar.window(interval, child.end - 1) == parent for child in children)

    @given(calendars, intervals, moments, st.integers(0, 40 * 86_400))
    @settings(max_examples=200, deadline=None)
    def test_the_bars_of_a_range_are_those_that_each_moment_finds(self, calendar, interval, start, length):
        if interval.is_intraday:
            length %= 3 * 86_400
        listed = list(calendar.windows(interval, start, start + length))
        assert all(start <= w.key < start + length for w in listed)
        assert all(a.end <= b.start and a.key < b.key for a, b in itertools.pairwise(listed))
        for listed_window in listed[:: max(1, len(listed) // 50)]:
            assert calendar.window(interval, listed_window.start) == listed_window
            assert calendar.window(interval, listed_window.end - 1) == listed_window

    @given(calendars, intervals, moments)
    @settings(max_examples=300, deadline=None)
    def test_the_bar_of_a_moment_is_listed_under_its_key(self, calendar, interval, moment):
        found = calendar.window(interval, moment)
        if found is not None:
            assert list(calendar.windows(interval, found.key, found.key + 1)) == [found]

    @given(calendars, st.sampled_from([i for i in Interval if i.is_intraday]), moments)
    @settings(max_examples=300, deadline=None)
    def test_an_intraday_bar_lies_in_one_segment_on_its_grid(self, calendar, interval, moment):
        found = calendar.window(interval, moment)
        if found is None:
            return
        [segment] = segments_between(calendar, found.start, found.end) if calendar.name != "24/7" else [None]
        if segment is None:
            assert found.start % interval.seconds == 0
            return
        assert segment.start <= found.start < found.end <= segment.end
        assert (found.start - segment.start) % interval.seconds == 0
        assert found.end == min(found.start + interval.seconds, segment.end)

    @given(calendars, moments)
    @settings(max_examples=200, deadline=None)
    def test_trading_begins_and_ends_when_it_says(self, calendar, moment):
        opens, closes = calendar.next_open(moment), calendar.next_close(moment)
        if opens is None or closes is None:
            assert calendar.name == "24/7"
            return
        assert calendar.is_open(opens)
        assert not calendar.is_open(opens - 1) or calendar.is_open(moment)
        assert not calendar.is_open(closes)
        assert calendar.is_open(closes - 1)
        assert opens > moment
        assert closes > moment


@pytest.mark.parametrize(
    ("interval", "first"), [(Interval.D1, 0), (Interval.W1, 0), (Interval.MN1, 0), (Interval.H4, -60)]
)
def test_a_stretch_may_begin_before_the_first_date_that_there_is(interval: Interval, first: int) -> None:
    start = (dt.date.min.toordinal() - 719_163) * 86_400
    windows = list(get_calendar("24/7").windows(interval, start - 60 * 86_400, start + 40 * 86_400))
    assert windows[0].key == start + first * 86_400

"""Schedules as people say them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django_q.models import Schedule

from marketdata.schedules import RECONCILE, SYNC_AFTER_CLOSE, SYNC_ALL, SYNC_TRADING
from web.schedule_words import cron_words, schedule_words

CALENDARS = ["24/7", "XLON", "XNYS"]


def words(**fields):
    told = {
        "func": SYNC_ALL,
        "schedule_type": Schedule.CRON,
        "repeats": -1,
        "next_run": datetime(2026, 1, 5, 14, 30, tzinfo=UTC),
    }
    return schedule_words(Schedule(**told | fields), CALENDARS)


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("30 */6 * * *", "every 6 hours, at minute 30"),
        ("0 */1 * * *", "hourly"),
        ("15 * * * *", "hourly, at minute 15"),
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("0 9-17 * * *", "hourly, 09:00 to 17:00 UTC"),
        ("5 6 * * *", "daily at 06:05 UTC"),
        ("5 6 * * 1-5", "daily at 06:05 UTC from Monday to Friday"),
        ("5 6 * * 0,6", "daily at 06:05 UTC on Sunday, Saturday"),
        ("5 6 * * 7", "daily at 06:05 UTC on Sunday"),
    ],
)
def test_a_cron_expression_is_said_in_words(cron, said):
    assert cron_words(cron) == said


@pytest.mark.parametrize(
    "cron",
    [
        "*/7 * * * *",
        "0 */5 * * *",
        "0 0 1 * *",
        "0 0 * 2 *",
        "1,2 3 * * *",
        "0 9-17/2 * * *",
        "5 6 * * mon",
        "5 6 * * 9",
        "@daily",
        "",
    ],
)
def test_what_has_no_simple_words_is_shown_as_it_is(cron):
    assert cron in cron_words(cron)
    assert "cron expression" in cron_words(cron)


def test_the_standing_schedules_read_as_people_say_them():
    assert words(cron="30 */6 * * *") == "every 6 hours, at minute 30"
    assert words(func=SYNC_TRADING, cron="0 9-17 * * *") == "hourly, 09:00 to 17:00 UTC on trading days of XLON, XNYS"
    assert (
        words(func=SYNC_AFTER_CLOSE, schedule_type=Schedule.DAILY, args="'XNYS'") == "shortly after each close of XNYS"
    )
    assert words(func=RECONCILE, schedule_type=Schedule.MINUTES, minutes=1) == "every minute"


def test_one_that_somebody_changed_or_ended_says_so():
    assert (
        words(func=SYNC_AFTER_CLOSE, schedule_type=Schedule.WEEKLY, args="'XNYS'") == "weekly, on Monday at 14:30 UTC"
    )
    assert words(schedule_type=Schedule.ONCE) == "once, on 2026-01-05 at 14:30 UTC"
    assert words(cron="0 * * * *", repeats=0) == "not any more"
    assert words(func=SYNC_AFTER_CLOSE, schedule_type=Schedule.DAILY, args="XNYS") == "shortly after each close of XNYS"


def test_many_calendars_are_cut_and_none_means_every_day():
    many = schedule_words(
        Schedule(
            func=SYNC_TRADING, schedule_type=Schedule.HOURLY, repeats=-1, next_run=datetime(2026, 1, 5, tzinfo=UTC)
        ),
        [f"X{n:03}" for n in range(10)],
    )
    assert many.endswith("X007 and 2 more")
    row = Schedule(
        func=SYNC_TRADING, schedule_type=Schedule.HOURLY, repeats=-1, next_run=datetime(2026, 1, 5, tzinfo=UTC)
    )
    assert schedule_words(row, ["24/7"]) == "hourly on every day"


@pytest.mark.parametrize("kind", [kind for kind, _ in Schedule.TYPE])
def test_every_type_of_schedule_has_words(kind):
    assert words(schedule_type=kind, cron="0 1 * * *", minutes=5)

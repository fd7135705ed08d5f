"""Schedules of the queue in words: "every 6 hours", not a cron expression."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django_q.models import Schedule

from marketdata.schedules import SYNC_AFTER_CLOSE, SYNC_TRADING, argument

_CALENDARS_NAMED = 8
_NEVER_CLOSES = "24/7"
_NUMBER = re.compile(r"\d{1,2}")
_EACH = re.compile(r"\*/(\d{1,2})")
_RANGE = re.compile(r"(\d{1,2})-(\d{1,2})")


def schedule_words(schedule: Schedule, calendars: Sequence[str]) -> str:
    """When it runs; ``calendars`` are those that symbols of the registry follow. Times in UTC."""
    if schedule.repeats == 0:
        return _("not any more")
    if schedule.func == SYNC_AFTER_CLOSE and schedule.schedule_type == Schedule.DAILY:
        return _("shortly after each close of %(calendar)s") % {"calendar": argument(schedule)}
    words = _rhythm(schedule)
    if schedule.func == SYNC_TRADING:
        words += " " + _trading_days(calendars)
    return words


def _trading_days(calendars: Sequence[str]) -> str:
    closing = [name for name in calendars if name != _NEVER_CLOSES]
    if not closing:
        return _("on every day")
    named, more = ", ".join(closing[:_CALENDARS_NAMED]), len(closing) - _CALENDARS_NAMED
    if more > 0:
        named += " " + _("and %(count)d more") % {"count": more}
    return _("on trading days of %(calendars)s") % {"calendars": named}


def _rhythm(schedule: Schedule) -> str:
    at = f"{schedule.next_run:%H:%M} UTC"
    kind = schedule.schedule_type
    if kind == Schedule.CRON:
        return cron_words(schedule.cron or "")
    if kind == Schedule.MINUTES:
        return _every(schedule.minutes or 1, "minute")
    fixed = {
        Schedule.ONCE: _("once, on %(day)s at %(at)s"),
        Schedule.HOURLY: _("hourly"),
        Schedule.DAILY: _("daily at %(at)s"),
        Schedule.WEEKLY: _("weekly, on %(weekday)s at %(at)s"),
        Schedule.BIWEEKLY: _("every 2 weeks, on %(weekday)s at %(at)s"),
        Schedule.MONTHLY: _("monthly at %(at)s"),
        Schedule.BIMONTHLY: _("every 2 months at %(at)s"),
        Schedule.QUARTERLY: _("every 3 months at %(at)s"),
        Schedule.YEARLY: _("yearly at %(at)s"),
    }
    weekday = _weekdays()[schedule.next_run.isoweekday() % 7]
    told = {"at": at, "day": f"{schedule.next_run:%Y-%m-%d}", "weekday": weekday}
    return fixed[kind] % told


def cron_words(cron: str) -> str:
    """``30 */6 * * *`` is "every 6 hours, at minute 30"; what has no such words is shown as it is."""
    fields = cron.split()
    if len(fields) == 5 and fields[2] == fields[3] == "*":
        time, days = _time_words(fields[0], fields[1]), _day_words(fields[4])
        if time is not None and days is not None:
            return f"{time} {days}".strip()
    return _("as the cron expression %(cron)s says, in UTC") % {"cron": cron}


def _every(count: int, unit: str) -> str:
    if unit == "minute":
        return ngettext("every minute", "every %(count)d minutes", count) % {"count": count}
    return ngettext("hourly", "every %(count)d hours", count) % {"count": count}


def _time_words(minute: str, hour: str) -> str | None:
    if each := _EACH.fullmatch(minute):
        return _every(int(each[1]), "minute") if hour == "*" and 60 % max(1, int(each[1])) == 0 else None
    if minute == "*":
        return _every(1, "minute") if hour == "*" else None
    if not _NUMBER.fullmatch(minute):
        return None
    at = int(minute)
    past = "" if at == 0 else ", " + _("at minute %(minute)d") % {"minute": at}
    if each := _EACH.fullmatch(hour):
        return _every(int(each[1]), "hour") + past if 24 % max(1, int(each[1])) == 0 else None
    if hours := _RANGE.fullmatch(hour):
        first, last = int(hours[1]), int(hours[2])
        return _("hourly, %(first)s to %(last)s UTC") % {"first": f"{first:02}:{at:02}", "last": f"{last:02}:{at:02}"}
    if hour == "*":
        return _every(1, "hour") + past
    return _("daily at %(at)s UTC") % {"at": f"{int(hour):02}:{at:02}"} if _NUMBER.fullmatch(hour) else None


def _weekdays() -> list[str]:
    """By their numbers in cron, Sunday being 0."""
    return [_("Sunday"), _("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday")]


def _day_words(weekday: str) -> str | None:
    if weekday == "*":
        return ""
    names = _weekdays()
    if days := _RANGE.fullmatch(weekday):
        first, last = int(days[1]) % 7, int(days[2]) % 7
        return _("from %(first)s to %(last)s") % {"first": names[first], "last": names[last]}
    if all(_NUMBER.fullmatch(day) and int(day) <= 7 for day in weekday.split(",")):
        return _("on %(days)s") % {"days": ", ".join(names[int(day) % 7] for day in weekday.split(","))}
    return None

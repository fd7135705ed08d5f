"""Moments as people write them in URLs and commands."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from domain.errors import InvalidRequest, NaiveTime

HOW = "write 2026-01-05T14:30:00Z, 2026-01-05 (its first moment in UTC), epoch seconds or milliseconds, -30d or now"

_RELATIVE = re.compile(r"-([0-9]{1,6})(s|m|h|d|w|mo|M|y)")
_NUMBER = re.compile(r"-?[0-9]{1,17}(\.[0-9]{1,9})?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_COMPACT_DATE = re.compile(r"(19|20)\d{6}")
_LOST_PLUS = re.compile(r"(:\d{2}(?:\.\d+)?) (\d{2}:?\d{2})$")  # `+` in a URL means a space
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_MILLISECONDS_FROM = 10**11  # as seconds this would be the year 5138
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)  # a day to spare at both ends: rounding and offsets may not overflow
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)


def parse_moment(text: str, now: datetime) -> datetime:
    """``text`` as an aware datetime in UTC; relative ones count back from ``now``.

    Units of relative moments: ``s m h d w``, and ``M`` or ``mo`` for months, ``y`` for years, by the calendar.
    Raises NaiveTime for a time of day without a zone, InvalidRequest for what cannot be understood.
    """
    moment = _read(text.strip(), now)
    if not _EARLIEST <= moment <= _LATEST:
        raise InvalidRequest(f"not between the years 1 and 9999: {text[:40]!r}; {HOW}")
    return moment


def _read(text: str, now: datetime) -> datetime:
    if text == "now":
        return now
    try:
        if relative := _RELATIVE.fullmatch(text):
            return _back(now, int(relative[1]), relative[2])
        if _COMPACT_DATE.fullmatch(text):
            raise InvalidRequest(f"{text} may be a date or epoch seconds: {HOW}")
        if _NUMBER.fullmatch(text):
            number = float(text)
            return _EPOCH + timedelta(seconds=number / 1000 if abs(number) >= _MILLISECONDS_FROM else number)
        return _iso(_LOST_PLUS.sub(r"\1+\2", text))
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"not a moment: {text[:40]!r}; {HOW}") from error


def _iso(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    if not _DATE.fullmatch(text):
        raise NaiveTime(
            f"a time without a zone: write {text[:30]}Z for UTC, or an offset: {text[:30]}%2B01:00 in a URL"
        )
    return moment.replace(tzinfo=UTC)


def _back(now: datetime, count: int, unit: str) -> datetime:
    if unit in _UNITS:
        return now - count * _UNITS[unit]
    months = now.year * 12 + now.month - 1 - count * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    first_of_next = datetime(year + (month == 11), (month + 1) % 12 + 1, 1, tzinfo=UTC)
    last_day = (first_of_next - timedelta(days=1)).day
    return now.replace(year=year, month=month + 1, day=min(now.day, last_day))

"""Calendars by name: ``24/7``, ``forex``, or an exchange's MIC, ``XNYS/extended`` for its hours before and after."""

from __future__ import annotations

import functools

from domain.always_open import AlwaysOpen
from domain.exchanges import exchange_calendar
from domain.forex import forex_calendar
from domain.spans import Calendar, Segment, TradingDay, Window

__all__ = ["Calendar", "Segment", "TradingDay", "Window", "get_calendar", "is_light"]


@functools.cache
def get_calendar(name: str) -> Calendar:
    """The calendar of this name, made once a process. Raises UnknownCalendar."""
    if name == "24/7":
        return AlwaysOpen()
    if name == "forex":
        return forex_calendar()
    mic, _, hours = name.partition("/")
    if hours not in ("", "extended"):
        mic = name  # which no exchange has, and the error then says so
    return exchange_calendar(mic, extended=hours == "extended")


def is_light(name: str) -> bool:
    """Whether this calendar is made at once; the others import a library and take a second."""
    return name in ("24/7", "forex")

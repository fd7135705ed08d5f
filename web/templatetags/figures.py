"""How numbers and times are written on pages. ``static/js/format.js`` does the same in the browser, with the same
cases in its tests (``tests/web/format_cases.json``).

Thousands are grouped, minus is a true minus sign, what is not known is a dash.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

from django import template

from web.intervals import IntervalChoice

register = template.Library()

NONE = "–"
MINUS = "−"
NO_BREAK_SPACE = "\u00a0"
_UNITS = ((1, ""), (1_000, "K"), (1_000_000, "M"), (1_000_000_000, "B"), (1_000_000_000_000, "T"))
_LONG_INTERVALS = ("1d", "1w", "1M")


def _rounded(value: float, decimals: int) -> Decimal:
    """Halves away from zero on the double's exact value, as browsers do; never a negative zero."""
    exact = Decimal(value).quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    return exact if exact else abs(exact)


def _plain(value: float, decimals: int) -> str:
    return f"{_rounded(value, decimals):,f}".replace("-", MINUS)


def _signed(value: float, decimals: int) -> str:
    text = _plain(value, decimals)
    return f"+{text}" if _rounded(value, decimals) > 0 else text


@register.filter
def price(value: float | None, decimals: int) -> str:
    """``1,234.50``."""
    return NONE if value is None else _plain(value, decimals)


@register.filter
def percent(value: float | None) -> str:
    """``−0.37 %``, always signed."""
    return NONE if value is None else f"{_signed(value, 2)}{NO_BREAK_SPACE}%"


@register.filter
def share(value: float | None) -> str:
    """``99.6 %`` of a share between 0 and 1: cut, not rounded, so that a hundred is said of what is whole only."""
    if value is None:
        return NONE
    return f"{'100' if value == 1 else f'{int(value * 1_000) / 10:.1f}'}{NO_BREAK_SPACE}%"


def change(value: float | None, of_hundred: float | None, decimals: int) -> str:
    """``▼ −1.42 (−0.37 %)``: colour is never alone, and neither is the sign."""
    if value is None:
        return ""
    rounded = _rounded(value, decimals)
    arrow = "▲ " if rounded > 0 else "▼ " if rounded < 0 else ""
    share = "" if of_hundred is None else f" ({percent(of_hundred)})"
    return f"{arrow}{_signed(value, decimals)}{share}"


@register.filter
def whole(value: int | None) -> str:
    """``24,816``."""
    return NONE if value is None else f"{value:,}".replace("-", MINUS)


@register.filter
def compact(value: float | None) -> str:
    """``7.87M``; below a thousand at most two decimals."""
    if value is None:
        return NONE
    for size, unit in _UNITS:
        scaled = value / size
        if abs(_rounded(scaled, 2)) < 1_000 or unit == "T":
            break
    text = _plain(scaled, 2)
    if not unit and "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text}{unit}"


@register.filter
def instant(value: datetime | None) -> str:
    """``2026-01-05 14:30`` in UTC."""
    return NONE if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"


@register.filter
def bar_time(value: datetime | None, interval: IntervalChoice) -> str:
    """A bar's open time: days and longer are named by their date."""
    if value is None or interval.value not in _LONG_INTERVALS:
        return instant(value)
    return f"{value.astimezone(UTC):%Y-%m-%d}"


def duration(seconds: float) -> str:
    """``12 s``, ``32 m 10 s``, ``2 h 14 m``, ``3 d 4 h``: the two largest units, whole, never negative."""
    left = max(0, int(seconds))
    if left < 60:
        return f"{left} s"
    if left < 3_600:
        return f"{left // 60} m {left % 60} s"
    if left < 86_400:
        return f"{left // 3_600} h {left % 3_600 // 60} m"
    return f"{left // 86_400} d {left % 86_400 // 3_600} h"


@register.filter
def until(value: datetime, now: datetime) -> str:
    """``2 h 14 m``."""
    return duration((value - now).total_seconds())


@register.filter
def ago(value: datetime | None, now: datetime) -> str:
    """``6 min ago``; older than a month, the date."""
    if value is None:
        return NONE
    seconds = int((now - value).total_seconds())
    if seconds < 5:
        return "just now"
    if seconds < 60:
        return f"{seconds} s ago"
    if seconds < 3_600:
        return f"{seconds // 60} min ago"
    if seconds < 86_400:
        return f"{seconds // 3_600} h ago"
    if seconds < 30 * 86_400:
        days = seconds // 86_400
        return f"{days} day{'' if days == 1 else 's'} ago"
    return f"{value.astimezone(UTC):%Y-%m-%d}"


@register.filter
def minutes(seconds: int) -> int:
    return seconds // 60


@register.filter
def json_numbers(values: Sequence[float]) -> str:
    """For a ``data-`` attribute that a script reads."""
    return json.dumps(list(values), separators=(",", ":"))

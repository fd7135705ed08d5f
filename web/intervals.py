"""How the 13 intervals are shown to people."""

from __future__ import annotations

from typing import NamedTuple

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from domain.interval import Interval


class IntervalChoice(NamedTuple):
    """One button: the API's ``value``, what it says, and its full name."""

    value: str
    label: str
    title: str


_LABELS = {Interval.D1: "1D", Interval.W1: "1W"}
_LONG = {Interval.D1: _("1 day"), Interval.W1: _("1 week"), Interval.MN1: _("1 month")}


def interval_choice(interval: Interval) -> IntervalChoice:
    """``1m`` and ``1M`` look alike: the title tells them apart."""
    return IntervalChoice(interval.value, _LABELS.get(interval, interval.value), _title(interval))


def _title(interval: Interval) -> str:
    if interval.seconds is None:
        return str(_LONG[interval])
    minutes = interval.seconds // 60
    if minutes % 60:
        return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
    return ngettext("%(count)d hour", "%(count)d hours", minutes // 60) % {"count": minutes // 60}


def interval_choices() -> list[IntervalChoice]:
    return [interval_choice(interval) for interval in Interval]

"""Numbers and times read the same from the server's filters and from the browser's module (js/format.test.mjs)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.interval import Interval
from web.intervals import interval_choice
from web.templatetags import figures

CASES = json.loads((Path(__file__).parent / "format_cases.json").read_text())
WITH_TIMES = {"ago", "instant"}


def _instants(arguments):
    return [None if value is None else datetime.fromtimestamp(value, UTC) for value in arguments]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [(name, arguments, expected) for name, cases in CASES.items() for arguments, expected in cases],
)
def test_figures_are_written_as_agreed(name, arguments, expected):
    values = _instants(arguments) if name in WITH_TIMES else arguments
    assert getattr(figures, name)(*values) == expected


def test_bars_of_days_and_longer_are_named_by_their_date():
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    assert figures.bar_time(moment, interval_choice(Interval.D1)) == "2026-01-05"
    assert figures.bar_time(moment, interval_choice(Interval.H1)) == "2026-01-05 00:00"
    assert figures.bar_time(None, interval_choice(Interval.W1)) == "–"


def test_a_minute_and_a_month_differ_in_their_title():
    minute, month = interval_choice(Interval.M1), interval_choice(Interval.MN1)
    assert (minute.label, minute.title) == ("1m", "1 minute")
    assert (month.label, month.title) == ("1M", "1 month")
    assert interval_choice(Interval.M45).title == "45 minutes"
    assert interval_choice(Interval.H4).title == "4 hours"
    assert interval_choice(Interval.D1).label == "1D"

"""Moments as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.errors import InvalidRequest, NaiveTime
from marketdata.moments import parse_moment

NOW = datetime(2026, 3, 31, 12, 30, 15, 500, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOW),
        ("2026-01-05", datetime(2026, 1, 5, tzinfo=UTC)),
        ("2026-01-05T14:30:00Z", datetime(2026, 1, 5, 14, 30, tzinfo=UTC)),
        ("2026-01-05T14:30-05:00", datetime(2026, 1, 5, 19, 30, tzinfo=UTC)),
        ("2026-01-05T14:30:00 05:30", datetime(2026, 1, 5, 9, 0, tzinfo=UTC)),  # a plus that a URL made a space
        ("1767571200", datetime(2026, 1, 5, tzinfo=UTC)),
        ("1767571200000", datetime(2026, 1, 5, tzinfo=UTC)),
        ("-86400", datetime(1969, 12, 31, tzinfo=UTC)),
        ("-30d", datetime(2026, 3, 1, 12, 30, 15, 500, tzinfo=UTC)),
        ("-90m", datetime(2026, 3, 31, 11, 0, 15, 500, tzinfo=UTC)),
        ("-1M", datetime(2026, 2, 28, 12, 30, 15, 500, tzinfo=UTC)),  # there is no 31 February
        ("-3mo", datetime(2025, 12, 31, 12, 30, 15, 500, tzinfo=UTC)),
        ("-25y", datetime(2001, 3, 31, 12, 30, 15, 500, tzinfo=UTC)),
    ],
)
def test_it_is_understood(text, moment):
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize("text", ["2026-01-05T14:30:00", "2026-01-05 14:30", "20260105T143000"])
def test_a_time_of_day_without_a_zone_is_refused_with_how_to_write_it(text):
    with pytest.raises(NaiveTime, match=r"%2B01:00 in a URL"):
        parse_moment(text, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "20260105",
        "2026-02-30",
        "-1q",
        "30d",
        "-9999y",
        "9" * 18,
        "-999999w",
        "1e9",
        "9999-12-31T23:59:59.5Z",
        "0001-01-01",
        "٢٠٢٦",
    ],
)
def test_anything_else_is_refused_with_what_may_be_written(text):
    with pytest.raises(InvalidRequest, match="-30d or now"):
        parse_moment(text, NOW)

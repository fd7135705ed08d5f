"""The 13 intervals."""

from __future__ import annotations

import difflib
from enum import StrEnum

from domain.errors import UnsupportedInterval


class Interval(StrEnum):
    """How long a bar lasts. Values are what people and the API write; case matters: ``1M`` is a month."""

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    M45 = "45m"
    H1 = "1h"
    H2 = "2h"
    H3 = "3h"
    H4 = "4h"
    D1 = "1d"
    W1 = "1w"
    MN1 = "1M"

    # Enum's own hash is a Python function; the fold looks intervals up for every bar. They are strings, so this agrees.
    __hash__ = str.__hash__

    @property
    def code(self) -> int:
        """The interval's number at rest, 1 to 13; part of every stored key, so never renumbered."""
        return _CODES[self]

    @property
    def seconds(self) -> int | None:
        """Nominal length of an intraday interval in seconds; None for day, week and month."""
        return _SECONDS.get(self)

    @property
    def is_intraday(self) -> bool:
        return self in _SECONDS

    @property
    def child(self) -> Interval | None:
        """The interval whose closed bars are merged into this one (None for the minute)."""
        return _CHILD.get(self)

    @classmethod
    def from_code(cls, code: int) -> Interval:
        return _BY_CODE[code]

    @classmethod
    def parse(cls, text: str) -> Interval:
        """``text`` as an interval, aliases ``1D 1W 1mo`` included. Raises UnsupportedInterval."""
        found = _BY_TEXT.get(text)
        if found is None:
            near = difflib.get_close_matches(text[:20].lower(), _BY_TEXT, n=1)
            near = [f"1{text}"] if f"1{text}" in _BY_TEXT else near
            hint = f"; did you mean {_BY_TEXT[near[0]].value}?" if near else ""
            raise UnsupportedInterval(f"unknown interval {text[:20]!r}: use one of {' '.join(cls)}{hint}")
        return found


_CODES = {interval: code for code, interval in enumerate(Interval, start=1)}
_BY_CODE = {code: interval for interval, code in _CODES.items()}
_SECONDS = {
    Interval.M1: 60,
    Interval.M3: 180,
    Interval.M5: 300,
    Interval.M15: 900,
    Interval.M30: 1800,
    Interval.M45: 2700,
    Interval.H1: 3600,
    Interval.H2: 7200,
    Interval.H3: 10800,
    Interval.H4: 14400,
}
# Each child's length divides its parent's, both start at the same segment open and are cut at the same end.
_CHILD = {
    Interval.M3: Interval.M1,
    Interval.M5: Interval.M1,
    Interval.M15: Interval.M5,
    Interval.M30: Interval.M15,
    Interval.M45: Interval.M15,
    Interval.H1: Interval.M30,
    Interval.H2: Interval.H1,
    Interval.H3: Interval.H1,
    Interval.H4: Interval.H2,
    Interval.D1: Interval.H4,
    Interval.W1: Interval.D1,
    Interval.MN1: Interval.D1,
}
_BY_TEXT = {interval.value: interval for interval in Interval} | {
    "1D": Interval.D1,
    "1W": Interval.W1,
    "1mo": Interval.MN1,
}

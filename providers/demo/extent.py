"""Which bars a client asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_BARS_PER_LOAD = 5_000  # of an anonymous user; more are clipped without a word
_RANGE = re.compile(r"r,(-?[0-9]{1,12}):(-?[0-9]{1,12})")
_TIMEFRAME = re.compile(r"([0-9]{1,4})([DWMY]|H|)")
_TIMEFRAME_SECONDS = {"": 60, "H": 3_600, "D": 86_400, "W": 7 * 86_400, "M": 31 * 86_400, "Y": 366 * 86_400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Which bars a load asks for: the newest ``count`` that start in ``[since, until]``, epoch seconds.

    ``span`` is the range or timeframe as the client wrote it, empty where it gave none.
    """

    count: int = MAX_BARS_PER_LOAD
    since: int | None = None
    until: int | None = None
    span: str = ""

    @property
    def is_live(self) -> bool:
        """Whether bars go on changing; an extent with an end in the past is history."""
        return self.until is None


def extent_of(count: object, span: object, now_s: int) -> Extent | None:
    """What `create_series` asks for with its 6th and 7th parameter; None if it makes no sense.

    ``count`` is a number or ``["bar_count", to, number]``; ``span`` is empty, ``r,from:to`` or a timeframe such as
    ``12M`` or ``LASTSESSION``, and where it is given it rules.
    """
    until: int | None = None
    if isinstance(count, list):
        if len(count) != 3 or count[0] != "bar_count" or not isinstance(count[1], (int, float)):
            return None
        until, count = int(count[1]), count[2]
    if isinstance(count, bool) or not isinstance(count, int) or count <= 0:
        return None
    wanted = min(count, MAX_BARS_PER_LOAD)
    if isinstance(span, dict):  # some clients put the range into an object
        span = span.get("range", "")
    if span in ("", None):
        return Extent(count=wanted, until=until)
    if not isinstance(span, str):
        return None
    between = _RANGE.fullmatch(span)
    if between:
        last = int(between[2])
        return Extent(since=int(between[1]), until=last if last < now_s else None, span=span)
    if span == "LASTSESSION":
        return Extent(since=now_s - 86_400, span=span)
    frame = _TIMEFRAME.fullmatch(span)
    if frame is None:
        return None
    return Extent(since=now_s - int(frame[1]) * _TIMEFRAME_SECONDS[frame[2]], span=span)

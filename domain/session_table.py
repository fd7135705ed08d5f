"""A market's trading days as integers."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import NamedTuple

from domain.spans import date_of


class Session(NamedTuple):
    """The regular trading of one date. ``day`` counts days since 1970, the rest are epoch seconds.

    Without a lunch break ``break_start == break_end``, any whole minute.
    """

    day: int
    open: int
    close: int
    break_start: int = 0
    break_end: int = 0


class SessionTable:
    """Every trading day from ``first_day`` up to but not including ``end_day`` (days since 1970), as integers.

    From ``assumed_from`` on they are a guess without holidays. A century is a megabyte. Raises ValueError if the
    sessions are not ascending, overlap, or have a bound that is no whole minute: a parent bar would then not be a
    union of minutes.
    """

    def __init__(
        self, sessions: Iterable[Session], *, first_day: int, end_day: int, assumed_from: int | None = None
    ) -> None:
        self.first_day, self.end_day = first_day, end_day
        self.assumed_from = end_day if assumed_from is None else assumed_from
        columns = list(zip(*sessions, strict=True)) or [()] * len(Session._fields)
        self.days, self.opens, self.closes, self.break_starts, self.break_ends = (array("q", c) for c in columns)
        self._check()

    def __len__(self) -> int:
        return len(self.days)

    def _check(self) -> None:
        before_day = before_close = -(2**62)
        for day, start, end, pause, resume in zip(
            self.days, self.opens, self.closes, self.break_starts, self.break_ends, strict=True
        ):
            date = date_of(day)
            if day <= before_day or start < before_close:
                raise ValueError(f"the session of {date} is not after the one before")
            if start % 60 or end % 60 or pause % 60 or resume % 60:
                raise ValueError(f"the session of {date} has a bound inside a minute")
            if start >= end or (pause != resume and not start < pause < resume < end):
                raise ValueError(f"the session of {date} ends before it begins")
            before_day, before_close = day, end

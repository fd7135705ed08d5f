"""Bars that a provider did not have when it was asked once: since when, so that each is asked for again in its time."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

ASK_AGAIN = timedelta(days=1)
LATE = timedelta(minutes=5)  # a provider that closes its bars late has done so by then
_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Absence(NamedTuple):
    """A bitmap of bars of one chunk that were absent when the provider was asked, at ``asked_at`` at the latest."""

    asked_at: datetime
    bits: int


Absences = tuple[Absence, ...]  # of a chunk, oldest first; no bar is in two


def absent_by(absences: Absences, moment: datetime | None) -> int:
    """The bars that were absent at ``moment`` or before; None: at any time."""
    found = 0
    for asked_at, bits in absences:
        if moment is None or asked_at <= moment:
            found |= bits
    return found


def asked_at(absences: Absences, bit: int) -> datetime | None:
    """When the provider was asked for the bar of this bit."""
    return next((absence.asked_at for absence in absences if absence.bits & bit), None)


def without(absences: Absences, bits: int) -> Absences:
    """The same but for these bars."""
    if not bits:
        return absences
    left = (Absence(asked_at, absent & ~bits) for asked_at, absent in absences)
    return tuple(absence for absence in left if absence.bits)


def joined(absences: Absences, newest: Absence) -> Absences:
    """The same and ``newest``, learned now.

    What was asked for within one hour counts as asked for at the end of it, of the last hour within five minutes: so
    each is asked for again a day later, never sooner and at most an hour after that, and a chunk has few bitmaps (40),
    though something were absent every minute.
    """
    if not newest.bits:
        return absences

    def together(absence: Absence) -> Hashable:
        age = newest.asked_at - absence.asked_at
        if age >= ASK_AGAIN:
            return None  # all of these are due
        span = LATE if age < _HOUR else _HOUR
        return span, (absence.asked_at - _EPOCH) // span

    found = []
    for _, group in groupby(sorted((*absences, newest)), key=together):
        members = list(group)
        found.append(Absence(members[-1].asked_at, absent_by(tuple(members), None)))
    return tuple(found)

"""Sums of coverage that hold as long as their series does not change, so that a matrix need not read every bitmap."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from threading import Lock
from typing import NamedTuple

from marketdata.documents import seconds
from marketdata.mongo import Document

_MOST = 20_000


class Tally(NamedTuple):
    """Bars of a series from some key on: expected and stored, expected but not at the provider, stored unexpectedly.

    ``as_of``: until when they had closed, epoch seconds.
    """

    stored: int
    empty: int
    extra: int
    as_of: int


class Name(NamedTuple):
    """A state of a series: document, version of its bars and of what is known of absent ones; and from which key on."""

    born: str
    version: int
    noted: int
    start: int
    calendar: str


_kept: OrderedDict[Name, Tally] = OrderedDict()
_lock = Lock()


def name(known: Document | None, start: datetime | None, calendar: str) -> Name | None:
    """None where nothing can be kept: no bars, or bitmaps that are not known to agree with them yet."""
    if known is None or not known.get("mapped") or not known.get("count"):
        return None
    begins = seconds(known["first"] if start is None else start)
    return Name(str(known["born"]), known["version"], known.get("noted", 0), begins, calendar)


def find(wanted: Name | None, now: int) -> Tally | None:
    """What was kept, unless the asker's ``now`` is earlier."""
    if wanted is None:
        return None
    with _lock:
        found = _kept.get(wanted)
        if found is None or found.as_of > now:
            return None
        _kept.move_to_end(wanted)
        return found


def keep(of: Name | None, tally: Tally) -> None:
    """Only of a range that goes on until now, all of whose stored bars count: then later moments do not change it."""
    if of is None:
        return
    with _lock:
        _kept[of] = tally
        while len(_kept) > _MOST:
            _kept.popitem(last=False)

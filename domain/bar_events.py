"""What the fold tells: what happened to a bar, and what became of the ticks."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from domain.bar import Bar


class BarEventKind(StrEnum):
    """What happened to a bar."""

    CLOSED = "closed"  # its span is over
    AMENDED = "amended"  # a late tick changed it after it closed: this is the version that counts now
    SETTLED = "settled"  # no tick can change it any more


class BarEvent(NamedTuple):
    """A bar and what happened to it; the bar is provisional, its source the stream."""

    kind: BarEventKind
    bar: Bar


class FoldCounts(NamedTuple):
    """What became of a symbol's ticks: ``ticks`` are in bars, ``amended`` among them; the next three were refused."""

    ticks: int
    late: int  # after their minute was settled; it was queued for healing
    future: int  # too far beyond now
    out_of_session: int
    amended: int  # late, but in time to amend
    jumps: int  # a recording's steps forward of more than an hour: where many ticks are late, one of them lied

"""The bars that are forming now, as the app that follows the markets live knows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, cast

from django.conf import settings
from django.utils.module_loading import import_string

from domain.bar import Bar, BarState
from domain.errors import StoreUnavailable
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.documents import Row, seconds

# A bar whose span ended so long ago is no longer forming: it waits to be written, or nobody folds it any more.
_ENDED_SECONDS = 10


class ReadForming(Protocol):
    """Who knows forming bars; ``settings.FORMING_BARS`` names it, since it lives in a layer above this one."""

    def __call__(self, instruments: Sequence[Instrument], interval: Interval) -> dict[str, tuple[Bar, datetime]]:
        """By symbol: the forming bar and the instant at which it was so. Raises StoreUnavailable."""


class Forming(NamedTuple):
    """Rows of forming bars by the position of their symbol, when each was so, and words on those not to be had."""

    rows: dict[int, Row]
    as_of: dict[int, datetime]
    notes: list[str]


NONE = Forming({}, {}, [])


def find_forming(instruments: Sequence[Instrument], interval: Interval, now: int) -> Forming:
    """The forming bars of ``instruments`` at ``now`` (epoch seconds)."""
    read = cast(ReadForming, import_string(settings.FORMING_BARS))
    try:
        known = read(instruments, interval)
    except StoreUnavailable as error:
        return Forming({}, {}, [f"no forming bars: {error}"])
    found = Forming({}, {}, [])
    for position, instrument in enumerate(instruments):
        bar, as_of = known.get(instrument.symbol, (None, None))
        if bar is None or as_of is None or seconds(bar.close_time) + _ENDED_SECONDS <= now - instrument.delay_seconds:
            found.notes.append(f"no forming bar of {instrument.symbol}: it is not followed, or nothing has traded yet")
        else:
            found.rows[position], found.as_of[position] = _row(bar), as_of
    return found


def _row(bar: Bar) -> Row:
    return Row(
        seconds(bar.open_time),
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
        bar.trades,
        BarState.FORMING,
        bar.source,
        bar.partial,
    )

"""Their bars as ours: stamps into keys and spans, closed bars only.

Intraday bars are stamped with their start, days, weeks and months with the open of their first session (some feeds:
with 00:00 UTC of its date). Our key and span come from the calendar; nothing is shifted by rule of thumb.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from domain.bar import Bar, BarSource, BarState
from domain.calendars import Calendar, Window, get_calendar
from domain.errors import UnknownCalendar, UnsupportedInterval
from domain.instrument import Instrument
from domain.interval import Interval
from providers.tradingview.rows import Row

_DAY = 86_400
_CLOSE_MARGIN_SECONDS = 10  # after a span's end, for trades under way
# Where bars are thin the walk along the calendar ends early, and the others are asked for one by one.
_WALKED_PER_BAR = 4
_WALKED_AT_LEAST = 100


class Placed(NamedTuple):
    """Bars with their places, ascending by key; ``remarks`` tell what was odd, in words."""

    bars: list[tuple[Window, Row]]
    remarks: tuple[str, ...]


def place(instrument: Instrument, interval: Interval, rows: Mapping[int, Row]) -> Placed:
    """Find each row's window. Raises UnsupportedInterval if most start where our calendar has no bar.

    The prints of a closing auction join the session's last bar.
    """
    calendar = get_calendar(instrument.calendar)
    placed: dict[int, tuple[Window, Row]] = {}
    odd: Counter[str] = Counter()
    times = sorted(rows)
    for time, known in zip(times, _starting_at(calendar, interval, times), strict=True):
        window, remark = (known, "") if known is not None else window_of(calendar, interval, time)
        if remark:
            odd[remark] += 1
        if window is not None:
            row = rows[time]
            before = placed.get(window.key)
            placed[window.key] = (window, row if before is None else _joined(before[1], row))
    if rows and len(placed) * 2 < len(rows) and interval.is_intraday:
        raise UnsupportedInterval(
            f"{instrument.symbol}: the provider's {interval} bars start at other times than those of calendar "
            f"{calendar.name}; roll them up from minutes"
        )
    remarks = tuple(f"{count} {remark}" for remark, count in sorted(odd.items()))
    return Placed([placed[key] for key in sorted(placed)], remarks)


def _starting_at(calendar: Calendar, interval: Interval, times: Sequence[int]) -> list[Window | None]:
    """For each of ``times`` (ascending) the window that starts just then, None where there is none or it is not known.

    Nearly all bars start where one of ours does, and a walk along the calendar costs a third of asking it for each.
    """
    found: list[Window | None] = [None] * len(times)
    if not times:
        return found
    # A key may lie a month before its span, or a day after its start.
    reach = 0 if interval.is_intraday else 40 * _DAY
    windows = calendar.windows(interval, times[0] - reach, times[-1] + 1 + reach)
    place, count = 0, len(times)
    try:
        for window in itertools.islice(windows, count * _WALKED_PER_BAR + _WALKED_AT_LEAST):
            start = window[0]
            while times[place] < start:
                place += 1
                if place == count:
                    return found
            if times[place] == start:
                found[place] = window
                place += 1
                if place == count:
                    return found
    except UnknownCalendar:
        pass  # the calendar does not reach so far: each time is asked for by itself
    return found


def key_of(instrument: Instrument, interval: Interval, time: int) -> int:
    """The key of the bar stamped ``time``; the stamp itself where our calendar has no such bar."""
    window, _ = window_of(get_calendar(instrument.calendar), interval, time)
    return time if window is None else window.key


def window_of(calendar: Calendar, interval: Interval, time: int) -> tuple[Window | None, str]:
    """The place of a bar stamped ``time``, and what is odd about it."""
    try:
        window = calendar.window(interval, time)
        if not interval.is_intraday:
            return _dated(calendar, interval, time, window)
    except UnknownCalendar:
        return None, "bars left out: before our calendar"
    if window is None:
        return None, "bars left out: outside the sessions of our calendar"
    if window.start != time and time < window.end:
        return None, "bars left out: not on the grid of our calendar"
    return window, ""


def _dated(calendar: Calendar, interval: Interval, time: int, window: Window | None) -> tuple[Window | None, str]:
    """A day, week or month. Stamps outside the sessions are dates: at 00:00 UTC, or on the exchange's clock."""
    if window is not None:
        return window, ""
    zone = UTC if time % _DAY == 0 else ZoneInfo(calendar.timezone)
    date = datetime.fromtimestamp(time, zone).date()
    key = int(datetime(date.year, date.month, date.day, tzinfo=UTC).timestamp())
    day = next(calendar.windows(Interval.D1, key, key + _DAY), None)
    if interval is Interval.D1:
        if day is not None:
            return day, ""
        # A holiday that the provider says was traded: its days are taken as served.
        return Window(time, time + _DAY, key), "days kept that our calendar has as holidays"
    if day is None:  # the period's first date may be a holiday: then the next session of the same period
        last = key + (7 if interval is Interval.W1 else 31) * _DAY
        day = next(calendar.windows(Interval.D1, key, last), None)
    if day is None:
        return None, "bars left out: no session in their period"
    return calendar.window(interval, day.start), ""


def _joined(first: Row, second: Row) -> Row:
    volume = None if first.volume is second.volume is None else (first.volume or 0.0) + (second.volume or 0.0)
    high, low = max(first.high, second.high), min(first.low, second.low)
    return Row(first.time, first.open, high, low, second.close, volume)


def closed(placed: Placed, instrument: Instrument, *, delay_seconds: int, now: int) -> list[tuple[Window, Row]]:
    """Without the bar in progress: one is closed when a later one exists, or well after its span has ended."""
    if not placed.bars:
        return []
    auction = get_calendar(instrument.calendar).auction_seconds
    end = placed.bars[-1][0].end + auction + delay_seconds + _CLOSE_MARGIN_SECONDS
    return placed.bars if end <= now else placed.bars[:-1]


def to_bars(instrument: Instrument, interval: Interval, bars: Sequence[tuple[Window, Row]]) -> Iterator[Bar]:
    """Final bars of history; those of a symbol without volume have volume 0."""
    symbol = instrument.symbol
    state, source, moment = BarState.FINAL, BarSource.HISTORY, datetime.fromtimestamp
    before, close_time = -1, moment(0, UTC)
    for (start, end, key), row in bars:
        # An instant that two bars share, or a bar twice, is made once.
        starts_at = close_time if start == before else moment(start, UTC)
        before, close_time = end, moment(end, UTC)
        yield Bar(
            symbol,
            interval,
            starts_at if key == start else moment(key, UTC),
            starts_at,
            close_time,
            row.open,
            row.high,
            row.low,
            row.close,
            row.volume or 0.0,
            None,
            state,
            source,
            False,
        )

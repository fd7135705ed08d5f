"""The fold of whole recordings equals the fold tick by tick, to the last bit."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.aggregation import Aggregator
from domain.bar import Bar
from domain.bulk import BulkFold, fold_batch
from domain.calendars import get_calendar
from domain.instrument import Instrument
from domain.interval import Interval
from domain.tick import Tick, tick_key

SYMBOL = "TEST:THING"
CALENDARS = ["24/7", "forex", "XNYS", "XNYS/extended", "XLON", "XTKS", "CMES", "XSAU"]
SECOND = 10**9


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp())


@dataclass(frozen=True)
class Recorded:
    """Ticks in a recording's order."""

    time_ns: list[int]
    prices: list[float]
    lots: list[int]

    def columns(self, start: int = 0, end: int | None = None):
        return (
            np.array(self.time_ns[start:end], dtype=np.int64),
            np.array(self.prices[start:end], dtype=np.float64),
            np.array(self.lots[start:end], dtype=np.int64),
        )


def values(columns) -> list[tuple]:
    return list(zip(*(column.tolist() for column in columns), strict=True))


def naive(calendar_name: str, recorded: Recorded) -> dict[Interval, list[tuple]]:
    """Every tick put into its 13 bars by asking the calendar, in event order."""
    calendar = get_calendar(calendar_name)
    bars: dict[Interval, dict] = {interval: {} for interval in Interval}
    ticks = sorted(zip(recorded.time_ns, range(len(recorded.time_ns)), recorded.prices, recorded.lots, strict=True))
    for time_ns, _, price, lots in ticks:
        for interval in Interval:
            window = calendar.window(interval, time_ns // SECOND)
            if window is None:
                continue
            o, h, lo, _, v, n = bars[interval].get(window, (price, price, price, price, 0, 0))
            bars[interval][window] = (o, max(h, price), min(lo, price), price, v + lots, n + 1)
    return {
        interval: [(window.key, window.start, window.end, *rest) for window, rest in found.items()]
        for interval, found in bars.items()
    }


def live(calendar: str, recorded: Recorded) -> dict[Interval, list[tuple]]:
    """The live fold's last version of each bar, running ones included."""
    fold = Aggregator(grace_ns=0)
    fold.follow(Instrument(symbol=SYMBOL, calendar=calendar), lateness_ns=60 * SECOND)
    for seq, (time_ns, price, lots) in enumerate(zip(recorded.time_ns, recorded.prices, recorded.lots, strict=True)):
        fold.add(Tick(SYMBOL, tick_key(time_ns, seq), price, lots), None)
    fold.close_due(max(recorded.time_ns, default=0))
    bars = {(event.bar.interval, event.bar.open_time): event.bar for event in fold.drain()}
    for interval in Interval:
        running = fold.forming(SYMBOL, interval)
        if running is not None:
            bars[interval, running.open_time] = running
    found: dict[Interval, list[tuple]] = {interval: [] for interval in Interval}
    for bar in sorted(bars.values(), key=lambda bar: bar.open_time):
        found[bar.interval].append(bar_values(bar))
    return found


def bar_values(bar: Bar) -> tuple:
    times = tuple(int(moment.timestamp()) for moment in (bar.open_time, bar.starts_at, bar.close_time))
    return (*times, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades)


def with_volume(rows: list[tuple]) -> list[tuple]:
    """Rows of columns with lots turned into volume, as bars have it."""
    return [(*row[:7], row[7] / 10**8, row[8]) for row in rows]


@st.composite
def recordings(draw, *, disorder_seconds: int) -> tuple[str, Recorded]:
    """Ticks around a few days of trading; each may be out of order by so much, many share their time."""
    calendar = draw(st.sampled_from(CALENDARS))
    day = draw(st.sampled_from(["2024-03-08", "2024-03-31", "2024-07-03", "2024-11-01", "2024-12-30"]))
    begin = at(day) + draw(st.integers(0, 86_399))
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from([0, 0, 1, 7, 20, 59, 60, 61, 300, 1_800, 5_400, 20_000]),
                st.integers(0, disorder_seconds),
                st.integers(90, 110),
                st.integers(0, 3 * 10**8),
            ),
            max_size=120,
        )
    )
    moment, times = begin, []
    for step, behind, _, _ in steps:
        moment += step
        times.append((moment - behind) * SECOND + draw(st.sampled_from([0, 0, 1, 999_999_999])))
    return calendar, Recorded(times, [price / 10 for _, _, price, _ in steps], [lots for *_, lots in steps])


@given(recordings(disorder_seconds=25))
@settings(max_examples=100, deadline=None)
def test_bars_equal_those_of_each_tick_put_into_its_bars(case):
    calendar, recorded = case
    columns = fold_batch(Instrument(symbol=SYMBOL, calendar=calendar), *recorded.columns())
    assert {interval: values(bars) for interval, bars in columns.items()} == naive(calendar, recorded)


@given(recordings(disorder_seconds=25))
@settings(max_examples=100, deadline=None)
def test_bars_equal_those_of_the_live_fold(case):
    calendar, recorded = case
    columns = fold_batch(Instrument(symbol=SYMBOL, calendar=calendar), *recorded.columns())
    assert {interval: with_volume(values(bars)) for interval, bars in columns.items()} == live(calendar, recorded)


@given(recordings(disorder_seconds=7_200), st.lists(st.integers(0, 120), max_size=90))
@settings(max_examples=100, deadline=None)
def test_any_split_into_pieces_gives_the_same_bars(case, cuts):
    calendar, recorded = case
    instrument = Instrument(symbol=SYMBOL, calendar=calendar)
    fold = BulkFold(instrument)
    bounds = [0, *sorted(cuts), len(recorded.time_ns)]
    for start, end in itertools.pairwise(bounds):
        fold.add(*recorded.columns(start, end))
    whole = fold_batch(instrument, *recorded.columns())
    assert {i: values(bars) for i, bars in fold.bars().items()} == {i: values(bars) for i, bars in whole.items()}
    assert fold.ticks == sum(whole[Interval.M1].trades.tolist()) + fold.out_of_session


def test_equal_times_keep_the_order_of_the_recording_also_across_pieces():
    moment = at("2024-03-08 12:00") * SECOND
    fold = BulkFold(Instrument(symbol=SYMBOL))
    for prices in ([11.0, 10.0], [12.0, 10.5]):
        fold.add(np.array([moment] * 2), np.array(prices), np.array([1, 1]))
    bars = fold.bars()[Interval.M1]
    assert (bars.open[0], bars.high[0], bars.low[0], bars.close[0]) == (11.0, 12.0, 10.0, 10.5)


@pytest.mark.parametrize("pieces", [1, 2])
def test_sums_beyond_64_bits_stay_exact(pieces):
    moment = at("2024-03-08 12:00") * SECOND
    fold = BulkFold(Instrument(symbol=SYMBOL))
    for _ in range(pieces):
        fold.add(np.array([moment] * 8), np.full(8, 1.0), np.full(8, 2**62 - 1))
    assert fold.bars()[Interval.MN1].lots.tolist() == [pieces * 8 * (2**62 - 1)]


def test_finer_steps_change_no_size():
    moment = at("2024-03-08 12:00") * SECOND
    fold = BulkFold(Instrument(symbol=SYMBOL))
    fold.add(np.array([moment]), np.array([1.0]), np.array([2**61]))
    fold.scale_lots(1_000)
    fold.add(np.array([moment]), np.array([1.0]), np.array([5]))
    assert fold.bars()[Interval.D1].lots.tolist() == [2**61 * 1_000 + 5]


def test_ticks_where_the_calendar_does_not_reach_are_out_of_session():
    fold = BulkFold(Instrument(symbol=SYMBOL, calendar="XTKS"))
    fold.add(np.array([at("1980-01-04 03:00") * SECOND]), np.array([1.0]), np.array([1]))
    assert [len(bars.key) for bars in fold.bars().values()] == [0] * 13
    assert fold.out_of_session == 1


def test_no_ticks_make_no_bars():
    columns = fold_batch(Instrument(symbol=SYMBOL), *Recorded([], [], []).columns())
    assert [len(bars.key) for bars in columns.values()] == [0] * 13

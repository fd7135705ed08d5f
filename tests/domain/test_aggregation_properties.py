"""The fold against a fold too simple to be wrong: any order within the lateness, any split, any restart, any calendar."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.accumulator import Accumulator
from domain.aggregation import Aggregator, BarEvent
from domain.bar import Bar, BarSource, BarState
from domain.calendars import get_calendar
from domain.grid import LEVELS, Grid
from domain.instrument import Instrument
from domain.interval import Interval
from domain.tick import Tick, tick_key
from tests.domain.reference_fold import Values, reference_bars, values
from tests.factories import SYMBOL, instrument, ns

SECOND = 10**9
# Where something happens soon after: a clock change, a lunch break, a close with its auction, a week's or year's end.
BEGINNINGS = {
    "24/7": "2026-12-31 23:40",
    "forex": "2026-03-08 20:50",
    "XNYS": "2026-03-06 20:30",
    "XNYS/extended": "2026-03-06 14:10",
    "XLON": "2026-03-27 16:10",
    "XTKS": "2026-01-05 02:10",
    "XHKG": "2026-01-05 03:40",
    "CMES": "2026-03-08 21:30",
    "XASX": "2026-01-05 04:50",
}


@dataclass(frozen=True)
class Market:
    """Ticks of one symbol in the order of their keys, in the order of arrival, and how late they may be."""

    instrument: Instrument
    lateness_ns: int
    ticks: list[Tick]
    arrivals: list[Tick]


@st.composite
def markets(draw: st.DrawFn, *, min_size: int = 1, max_size: int = 60, calendars=tuple(BEGINNINGS)) -> Market:
    calendar = draw(st.sampled_from(calendars))
    lateness_ns = draw(st.sampled_from([0, 5, 10, 60])) * SECOND
    pace = draw(st.sampled_from([2, 20, 90, 1_200, 20_000]))  # longest pause between two ticks, in seconds
    step = draw(st.sampled_from([SECOND, 1_000_003]))  # whole seconds, where equal times are normal, or fine ones
    count = draw(st.integers(min_size, max_size))
    time, ticks = ns(BEGINNINGS[calendar]), []
    for seq in range(count):
        time += draw(st.integers(0, pace * SECOND // step)) * step
        price = draw(st.integers(9_900, 10_100)) / 100
        ticks.append(Tick(SYMBOL, tick_key(time, seq), price, draw(st.integers(0, 10**12))))
    delays = draw(st.lists(st.integers(0, lateness_ns), min_size=count, max_size=count))
    arrivals = [one for _, one in sorted(zip(delays, ticks, strict=True), key=lambda pair: pair[1].time_ns + pair[0])]
    return Market(instrument(calendar=calendar), lateness_ns, ticks, arrivals)


def follower(market: Market) -> Aggregator:
    fold = Aggregator()
    fold.follow(market.instrument, lateness_ns=market.lateness_ns)
    return fold


def final_bars(fold: Aggregator, events: list[BarEvent]) -> dict[Interval, dict[object, Bar]]:
    """The last version of every bar, forming ones included. Checks what each event promises on the way."""
    bars: dict[Interval, dict[object, Bar]] = {interval: {} for interval in Interval}
    settled = set()
    for kind, bar in events:
        series, name = bars[bar.interval], (bar.interval, bar.open_time)
        assert name not in settled, "a settled bar has no further news"
        assert (bar.open_time in series) == (kind != "closed"), "a bar closes once, and first"
        if kind == "amended":
            assert values(bar) != values(series[bar.open_time])
        elif kind == "settled":
            assert bar == series[bar.open_time]
            settled.add(name)
        series[bar.open_time] = bar
    for interval in Interval:
        forming = fold.forming(SYMBOL, interval)
        if forming is not None:
            assert forming.open_time not in bars[interval], "what is forming has not closed"
            bars[interval][forming.open_time] = forming
    return bars


def assert_equal_to_reference(market: Market, fold: Aggregator, events: list[BarEvent]) -> None:
    bars = final_bars(fold, events)
    for interval in Interval:
        found = {key: values(bar) for key, bar in bars[interval].items()}
        assert found == reference_bars(market.instrument, market.ticks, interval), interval


@pytest.mark.parametrize("calendar", BEGINNINGS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_order_within_the_lateness_makes_the_same_bars_to_the_last_bit(calendar, data):
    market = data.draw(markets(calendars=(calendar,)))
    fold = follower(market)
    for tick in market.arrivals:
        fold.add(tick, None)
    assert fold.counts(SYMBOL).late == 0
    assert_equal_to_reference(market, fold, fold.drain())


@settings(max_examples=80, deadline=None)
@given(market=markets(), waits=st.lists(st.integers(0, 90), min_size=60, max_size=60))
def test_the_sweeps_decide_when_bars_are_told_and_never_what_they_hold(market, waits):
    fold, now = follower(market), 0
    for tick, wait in zip(market.arrivals, waits, strict=False):
        now = max(now, tick.time_ns) + wait * SECOND
        if wait % 2:
            fold.close_due(now)
        fold.add(tick, now)
    assert fold.counts(SYMBOL)[1:3] == (0, 0)
    assert_equal_to_reference(market, fold, fold.drain())
    fold.close_due(now + 40 * 86_400 * SECOND)
    assert all(fold.forming(SYMBOL, interval) is None for interval in Interval)


@settings(max_examples=80, deadline=None)
@given(market=markets(max_size=40), data=st.data())
def test_any_split_merged_in_any_order_makes_the_same_bars_to_the_last_bit(market, data):
    grid = Grid(get_calendar(market.instrument.calendar))
    parts = data.draw(st.lists(st.integers(0, 3), min_size=len(market.ticks), max_size=len(market.ticks)))
    order = data.draw(st.permutations([0, 1, 2, 3]))
    for level, interval in enumerate(LEVELS):
        halves: dict[tuple[int, int], Accumulator] = {}
        for part, tick in zip(parts, market.arrivals, strict=True):
            minute = grid.minute(tick.time_ns // (60 * SECOND))
            frame = None if minute is None else minute.ancestor(level)
            if frame is None:
                continue
            key, price, lots = tick.key, tick.price, tick.lots
            if (frame.start, part) in halves:
                halves[frame.start, part].put(key, price, lots)
            else:
                one = Accumulator(frame, key, key, price, price, price, price, lots, 1, partial=False)
                halves[frame.start, part] = one
        wholes = {}
        for start in {start for start, _ in halves}:
            pieces = [halves[start, part] for part in order if (start, part) in halves]
            whole = Accumulator.empty(pieces[0].frame)
            for piece in pieces:
                whole.merge(piece)
            bar = whole.bar(SYMBOL, market.instrument.lots_per_unit, BarState.FORMING)
            wholes[bar.open_time] = values(bar)
        assert wholes == reference_bars(market.instrument, market.ticks, interval)


@settings(max_examples=80, deadline=None)
@given(market=markets())
def test_each_parent_is_the_fold_of_its_children(market):
    fold = follower(market)
    for tick in market.arrivals:
        fold.add(tick, None)
    bars = final_bars(fold, fold.drain())
    for interval in Interval:
        for parent in bars[interval].values() if interval.child else ():
            children = [
                bar
                for _, bar in sorted(bars[interval.child].items())
                if parent.starts_at <= bar.starts_at and bar.close_time <= parent.close_time
            ]
            if market.instrument.calendar == "XNYS/extended" and interval is Interval.D1:
                regular = get_calendar("XNYS")
                children = [one for one in children if regular.is_open(int(one.starts_at.timestamp()))]
            assert (children[0].open, children[-1].close) == (parent.open, parent.close)
            assert max(one.high for one in children) == parent.high
            assert min(one.low for one in children) == parent.low
            assert sum(one.trades for one in children) == parent.trades


@settings(max_examples=80, deadline=None)
@given(market=markets(), restarts=st.sets(st.integers(0, 59)), follow_first=st.booleans())
def test_a_restart_through_a_checkpoint_at_any_point_is_no_restart(market, restarts, follow_first):
    steady, restarted, events = follower(market), follower(market), []
    for number, tick in enumerate(market.arrivals):
        now = tick.time_ns + market.lateness_ns + SECOND
        for fold in (steady, restarted):
            fold.close_due(now)
            fold.add(tick, now)
        if number in restarts:
            events += restarted.drain()
            state = json.loads(json.dumps(restarted.checkpoint(), allow_nan=False))
            restarted = Aggregator()
            if follow_first:
                restarted.follow(market.instrument, lateness_ns=market.lateness_ns)
            restarted.restore(state)
            restarted.follow(market.instrument, lateness_ns=market.lateness_ns)
    assert events + restarted.drain() == steady.drain()
    assert restarted.checkpoint() == steady.checkpoint()
    assert restarted.counts(SYMBOL) == steady.counts(SYMBOL)
    assert [restarted.forming(SYMBOL, one) for one in Interval] == [steady.forming(SYMBOL, one) for one in Interval]


def as_history(series: dict[object, Values], interval: Interval) -> list[Bar]:
    """Reference values as bars of a provider's history."""
    return [
        Bar(symbol=SYMBOL, interval=interval, state=BarState.FINAL, source=BarSource.HISTORY, **one._asdict())
        for one in series.values()
    ]


@settings(max_examples=80, deadline=None)
@given(market=markets(min_size=10), data=st.data())
def test_what_was_not_heard_and_is_seeded_makes_no_difference(market, data):
    """Follow from the middle, seed once the first whole minute is there, go on: bars are whole and the same."""
    heard_from = data.draw(st.integers(1, len(market.ticks) - 2))
    wait = data.draw(st.integers(0, 10)) * 60
    first = market.ticks[heard_from].time_ns // (60 * SECOND) * 60
    through = first + 60 + wait
    # In a closing auction history must be up to date: its prints belong to a minute that began before `through`.
    has_auction = get_calendar(market.instrument.calendar).auction_seconds > 0
    now_s = through + (0 if has_auction else 60 * data.draw(st.integers(0, 3)))
    before = [one for one in market.ticks[heard_from:] if one.time_ns < now_s * SECOND]
    after = [one for one in market.ticks[heard_from:] if one.time_ns >= now_s * SECOND]

    fold = follower(market)
    fold.add_many(before, None)
    fold.close_due((now_s + 2) * SECOND)
    heard_none = get_calendar(market.instrument.calendar).window(Interval.M1, first) is None
    history, past = [], [one for one in market.ticks if one.time_ns < through * SECOND]
    since = through
    for interval, start, end in fold.wanted_history(SYMBOL, through):
        series = reference_bars(market.instrument, past, interval)
        inside = {key: one for key, one in series.items() if start <= key.timestamp() < end}
        since = min([since, *(int(one.starts_at.timestamp()) for one in inside.values())])
        history += as_history(inside, interval)
    fold.seed(SYMBOL, history, through=through, since=since - 31 * 86_400)
    fold.drain()
    fold.add_many(after, None)

    bars = final_bars_after(fold, through)
    for interval in Interval:
        expected = {
            key: one
            for key, one in reference_bars(market.instrument, market.ticks, interval).items()
            if one.close_time.timestamp() > now_s + 60
        }
        assert {key: values(bar) for key, bar in bars[interval].items() if key in expected} == expected, interval
        if not heard_none and before:
            assert not any(bar.partial for key, bar in bars[interval].items() if key in expected), interval


def final_bars_after(fold: Aggregator, through: int) -> dict[Interval, dict[object, Bar]]:
    bars: dict[Interval, dict[object, Bar]] = {interval: {} for interval in Interval}
    for _, bar in fold.drain():
        bars[bar.interval][bar.open_time] = bar
    for interval in Interval:
        forming = fold.forming(SYMBOL, interval)
        if forming is not None:
            bars[interval][forming.open_time] = forming
    return bars

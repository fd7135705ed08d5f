"""Closed bars on their way to a store that may be away; what is kept, and in which version."""

from __future__ import annotations

import time

import msgspec
import pytest

from domain.bar import Bar, BarState
from domain.errors import SeriesBusy, StoreUnavailable
from domain.instrument import Instrument
from domain.interval import Interval
from quotes.writer import Series, Writer
from tests.quotes.live import BTC, a_bar

INSTRUMENT = Instrument(symbol=BTC, id=1)
OTHER = Instrument(symbol="DEMO:ETHUSD", id=2)


class Store:
    """Keeps what it is given while it is up; ``refuse`` names symbols whose bars it cannot take."""

    def __init__(self) -> None:
        self.is_up, self.refuse = True, ""
        self.refusal: Exception = ValueError("a defect")
        self.bars: list[Bar] = []
        self.lost: list[Bar] = []
        self.told: list[tuple[int, bool]] = []

    def save(self, instrument: Instrument, interval: Interval, bars: list[Bar]) -> None:
        if not self.is_up:
            raise StoreUnavailable("down")
        if instrument.symbol == self.refuse:
            raise self.refusal
        self.bars += bars

    def writer(self, capacity: int = 1_000) -> Writer:
        return Writer(self.save, on_saved=self._saved, on_lost=self._lost, capacity=capacity)

    def _saved(self, series: Series, bars: list[Bar], was_late: bool) -> None:
        self.told.append((len(bars), was_late))

    def _lost(self, series: Series, bar: Bar) -> None:
        self.lost.append(bar)


async def test_a_batch_holds_the_newest_version_of_each_bar() -> None:
    store = Store()
    writer = store.writer()
    writer.put(INSTRUMENT, a_bar(0, close=101))
    writer.put(INSTRUMENT, a_bar(0, close=102))
    assert await writer.save_all()
    assert [bar.close for bar in store.bars] == [102]
    assert writer.unsaved() == []


async def test_a_final_bar_is_not_replaced_by_a_provisional_one() -> None:
    store = Store()
    writer = store.writer()
    writer.put(INSTRUMENT, msgspec.structs.replace(a_bar(0, close=101), state=BarState.FINAL))
    writer.put(INSTRUMENT, a_bar(0, close=102))
    await writer.save_all()
    assert [bar.close for bar in store.bars] == [101]


async def test_what_was_not_acknowledged_is_kept_and_a_newer_version_wins() -> None:
    store = Store()
    store.is_up = False
    writer = store.writer()
    writer.put(INSTRUMENT, a_bar(0, close=101))
    writer.put(INSTRUMENT, a_bar(1, close=101))
    assert not await writer.save_all()
    assert len(writer.unsaved()) == 2
    writer.put(INSTRUMENT, a_bar(1, close=103))
    store.is_up = True
    assert await writer.save_all()
    assert [bar.close for bar in store.bars] == [101, 103]
    assert store.told == [(2, True)]


@pytest.mark.parametrize("refusal", [ValueError("a defect"), SeriesBusy("somebody else writes")])
async def test_a_series_that_cannot_be_saved_does_not_hold_up_the_others(refusal: Exception) -> None:
    store = Store()
    store.refuse, store.refusal = BTC, refusal
    writer = store.writer()
    writer.put(INSTRUMENT, a_bar(0))
    writer.put(OTHER, a_bar(0, symbol=OTHER.symbol))
    assert not await writer.save_all()
    assert [bar.symbol for bar in store.bars] == [OTHER.symbol]
    assert [bar.symbol for _, bar in writer.unsaved()] == [BTC]


async def test_beyond_the_capacity_the_oldest_bars_are_lost_counted_and_told() -> None:
    store = Store()
    store.is_up = False
    writer = store.writer(capacity=3)
    for minute in range(3):
        writer.put(INSTRUMENT, a_bar(minute))
    await writer.save_all()
    writer.put(INSTRUMENT, a_bar(3))
    writer.put(INSTRUMENT, a_bar(4))
    assert writer.lost == 2
    assert [bar.open_time.minute for bar in store.lost] == [0, 1]
    assert [bar.open_time.minute for _, bar in writer.unsaved()] == [2, 3, 4]


async def test_draining_gives_up_at_its_deadline_and_keeps_the_bars() -> None:
    store = Store()
    store.is_up = False
    writer = store.writer()
    writer.put(INSTRUMENT, a_bar(0))
    began = time.monotonic()
    await writer.drain(began + 0.5)
    assert time.monotonic() - began < 2
    assert [bar for _, bar in writer.unsaved()] == [a_bar(0)]

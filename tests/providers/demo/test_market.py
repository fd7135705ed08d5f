"""Prices: exact at every level, the same for everybody, believable."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.bar import BarState
from domain.errors import UnknownSymbol
from domain.interval import Interval
from providers.demo import minutes, table
from providers.demo.history import WINDOW_BARS
from providers.demo.instruments import LISTINGS, demo_instruments
from providers.demo.market import DemoMarket
from tests.providers.demo.refold import at, refold, served

INTRADAY = [interval for interval in Interval if interval.is_intraday]
TO_A_DAY = [*INTRADAY, Interval.D1]
QUIET = ["DEMO:BREZ", "DEMO:THIN", "DEMO:VOD", "DEMO:7203", "DEMO:SYN0001"]  # days that fold in a moment
DEMO_SYMBOLS = [listing.symbol for listing in LISTINGS]
NOW = at("2026-11-25T04:00:07.500")


@pytest.fixture(scope="module")
def market() -> DemoMarket:
    return quiet_market(1)


def quiet_market(seed: int) -> DemoMarket:
    """With one synthetic symbol of three trades a minute, open round the clock."""
    return DemoMarket(seed, synthetic_count=1, ticks_a_second=0.05)


def assert_same(market: DemoMarket, symbol: str, start: datetime, end: datetime, intervals: list[Interval]) -> None:
    """Served history equals the fold of the trades in ``[start, end)``, which must hold whole bars."""
    folded = refold(market, symbol, start, end, *intervals)
    now = end + timedelta(seconds=market.listing(symbol).delay_seconds)
    assert folded[Interval.M1], f"{symbol} did not trade"
    for interval in intervals:
        bars = folded[interval]
        first, last = (datetime.fromtimestamp(bars[place].key, UTC) for place in (0, -1))
        found = served(market, symbol, interval, first, last + timedelta(seconds=1), now)
        assert found == bars, f"{symbol} {interval}"


@pytest.mark.untraced
class TestBarsAreTheFoldOfTrades:
    @settings(max_examples=12, deadline=None)
    @given(
        seed=st.integers(0, 2**40),
        symbol=st.sampled_from(QUIET),
        day=st.dates(at("2010-01-04").date(), at("2027-06-30").date()),
    )
    def test_on_any_day_of_any_seed(self, seed, symbol, day):
        market = quiet_market(seed)
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        end = start + timedelta(days=1)
        folded = refold(market, symbol, start, end, *TO_A_DAY)
        for interval in TO_A_DAY:
            keys = [bar.key for bar in folded[interval]]
            if keys:
                first, last = datetime.fromtimestamp(keys[0], UTC), datetime.fromtimestamp(keys[-1] + 1, UTC)
                now = end + timedelta(days=1)
                assert served(market, symbol, interval, first, last, now) == folded[interval]

    @pytest.mark.parametrize(
        ("symbol", "start", "end"),
        [
            pytest.param("DEMO:AAPL", "2026-11-27T14:30", "2026-11-27T18:00", id="half-day"),
            pytest.param("DEMO:MSFT", "2026-03-09T13:30", "2026-03-09T20:00", id="first day of summer time"),
            pytest.param("DEMO:MSFT", "2026-11-02T14:30", "2026-11-02T21:00", id="first day of winter time"),
            pytest.param("DEMO:7203", "2026-11-24T00:00", "2026-11-24T06:30", id="lunch break"),
            pytest.param("DEMO:EURUSD", "2026-03-08T21:00", "2026-03-09T21:00", id="forex week opens on Sunday"),
            pytest.param("DEMO:ES1!", "2026-11-23T23:00", "2026-11-24T22:00", id="evening open"),
            pytest.param("DEMO:VOD", "2026-10-26T08:00", "2026-10-26T16:30", id="London, first day of winter time"),
            pytest.param("DEMO:BREZ", "2024-02-29T08:00", "2024-02-29T16:30", id="leap day"),
            pytest.param("DEMO:DEMO500", "2026-11-24T14:30", "2026-11-24T21:00", id="index without volume"),
            pytest.param("DEMO:XRPUSD", "2026-11-24T00:00", "2026-11-25T00:00", id="around the clock"),
        ],
    )
    def test_on_days_that_are_special(self, market, symbol, start, end):
        assert_same(market, symbol, at(start), at(end), TO_A_DAY)

    def test_where_several_trades_pass_each_second(self, market):
        assert_same(market, "DEMO:BTCUSD", at("2026-11-24"), at("2026-11-24T12:00"), INTRADAY)

    @pytest.mark.parametrize("symbol", ["DEMO:THIN", "DEMO:BREZ"])
    def test_for_weeks_and_months(self, market, symbol):
        year_end = refold(market, symbol, at("2025-12-01"), at("2026-01-05"), Interval.W1, Interval.MN1)
        for interval, first, last in (
            (Interval.W1, "2025-12-08", "2026-01-05"),
            (Interval.MN1, "2025-12-01", "2026-01-01"),
        ):
            inside = [bar for bar in year_end[interval] if at(first).timestamp() <= bar.key < at(last).timestamp()]
            assert served(market, symbol, interval, at(first), at(last), at("2026-01-05")) == inside
            assert inside

    @settings(max_examples=10, deadline=None)
    @given(symbol=st.sampled_from(QUIET), ms=st.integers(0, 2 * 86_400_000 - 1))
    def test_up_to_any_moment_while_bars_form(self, symbol, ms):
        market = quiet_market(3)
        now = at("2026-11-23") + timedelta(milliseconds=ms)
        delay = timedelta(seconds=market.listing(symbol).delay_seconds)
        seen = now - delay
        folded = refold(market, symbol, at("2026-11-23"), seen + timedelta(milliseconds=1), *TO_A_DAY)
        for interval in TO_A_DAY:
            bars = folded[interval]
            if bars:
                first, last = (datetime.fromtimestamp(bars[place].key, UTC) for place in (0, -1))
                assert served(market, symbol, interval, first, last + timedelta(seconds=1), now) == bars

    @pytest.mark.parametrize("symbol", DEMO_SYMBOLS)
    def test_minutes_make_the_day_and_trades_make_the_minutes(self, market, symbol):
        listing, history = market.listing(symbol), market.history
        index = history.timetable(listing).index_at(int(NOW.timestamp())) - 1
        for place in range(index - 40, index):
            rows = history.minute_rows(listing, place)
            day = history.day(listing, place)
            assert (rows[0, minutes.OPEN], rows[-1, minutes.CLOSE]) == (day.open, day.close)
            assert (rows[:, minutes.HIGH].max(), rows[:, minutes.LOW].min()) == (day.high, day.low)
            assert rows[:, minutes.VOLUME].sum() == day.volume
        for row in rows[:: max(len(rows) // 60, 1)]:
            trades = history.trades(listing, index - 1, row)
            assert len(trades.prices) == row[minutes.TRADES]
            assert (trades.prices[0], trades.prices[-1]) == (row[minutes.OPEN], row[minutes.CLOSE])
            assert (trades.prices.max(), trades.prices.min()) == (row[minutes.HIGH], row[minutes.LOW])
            assert trades.sizes.sum() == row[minutes.VOLUME]
            assert (np.diff(trades.offsets) >= 0).all()
            assert 0 <= trades.offsets[0] <= trades.offsets[-1] < 60_000
            assert not listing.has_volume or trades.sizes.min() >= 1


class TestHistoryReaches:
    def test_2010_for_days_weeks_and_months(self, market):
        for interval, first in (
            (Interval.D1, "2010-01-01"),
            (Interval.W1, "2009-12-28"),  # the week of the first day
            (Interval.MN1, "2010-01-01"),
        ):
            bars = market.bars("DEMO:BTCUSD", interval, at("2009-01-01"), at("2030-01-01"), NOW)
            assert bars[0].open_time == at(first)
            assert bars[0].starts_at == at(first)
            assert bars[-1].state is BarState.FORMING
            assert all(bar.state is BarState.FINAL for bar in bars[:-1])

    @pytest.mark.parametrize("interval", INTRADAY)
    def test_5000_bars_for_finer_intervals(self, market, interval):
        bars = market.bars("DEMO:BTCUSD", interval, at("2009-01-01"), at("2030-01-01"), NOW)
        assert len(bars) == WINDOW_BARS
        assert [bar.open_time for bar in bars] == sorted({bar.open_time for bar in bars})

    def test_no_bar_for_minutes_without_trades(self, market):
        bars = market.bars("DEMO:THIN", Interval.M1, at("2026-11-20"), NOW, NOW)
        minutes_passed = (bars[-1].open_time - bars[0].open_time) / timedelta(minutes=1) + 1
        assert len(bars) < minutes_passed / 2

    @pytest.mark.parametrize("interval", Interval)
    def test_what_is_asked_for_and_no_more(self, market, interval):
        every = market.bars("DEMO:AAPL", interval, at("2009-01-01"), at("2030-01-01"), NOW)
        start, end = every[-5].open_time, every[-1].open_time
        assert market.bars("DEMO:AAPL", interval, start, end, NOW) == every[-5:-1]

    @pytest.mark.parametrize("interval", Interval)
    @pytest.mark.parametrize("count", [1, 2, 7])
    def test_the_newest_bars_are_the_same_however_many_are_asked(self, market, interval, count):
        listing = market.listing("DEMO:EURUSD")
        now_ms = int(NOW.timestamp() * 1_000)
        every = market.rows(listing, interval, now_ms)
        assert market.rows(listing, interval, now_ms, count=count).tolist() == every[-count:].tolist()
        since = int(every[-count, table.START])
        some = market.rows(listing, interval, now_ms, since=since)
        assert some[some[:, table.START] >= since].tolist() == every[-count:].tolist()

    def test_delayed_symbols_are_15_minutes_behind(self, market):
        now = at("2026-11-24T12:00:30")
        newest = market.bars("DEMO:VOD", Interval.M1, at("2026-11-24"), at("2026-11-25"), now)[-1]
        assert at("2026-11-24T11:40") < newest.open_time <= at("2026-11-24T11:45")

    def test_nothing_before_the_first_day(self, market):
        assert market.bars("DEMO:BTCUSD", Interval.D1, at("2009-01-01"), at("2010-02-01"), at("2009-12-31")) == []
        assert market.bars("DEMO:BTCUSD", Interval.M1, at("2009-01-01"), at("2010-02-01"), at("2009-12-31")) == []

    def test_an_unknown_symbol_is_an_error(self, market):
        with pytest.raises(UnknownSymbol, match="NOSUCH"):
            market.bars("DEMO:NOSUCH", Interval.D1, at("2020-01-01"), NOW, NOW)


class TestDeterminism:
    def test_the_same_seed_gives_the_same_prices_in_whatever_order_they_are_asked(self):
        one, other = DemoMarket(5), DemoMarket(5)
        span = (at("2026-11-20"), at("2026-11-21"), NOW)
        one.bars("DEMO:AAPL", Interval.M1, *span)
        late_first = [other.bars(symbol, Interval.H1, *span) for symbol in reversed(DEMO_SYMBOLS)]
        assert [one.bars(symbol, Interval.H1, *span) for symbol in DEMO_SYMBOLS] == late_first[::-1]

    def test_another_seed_gives_other_prices(self):
        span = ("DEMO:BTCUSD", Interval.D1, at("2026-11-01"), NOW, NOW)
        assert DemoMarket(1).bars(*span) != DemoMarket(2).bars(*span)

    def test_the_past_stays_as_it_was_told(self):
        market = DemoMarket(9)
        early = market.bars(
            "DEMO:ETHUSD", Interval.M5, at("2026-11-24"), at("2026-11-24T06:00"), at("2026-11-24T06:00")
        )
        later = market.bars("DEMO:ETHUSD", Interval.M5, at("2026-11-24"), at("2026-11-24T06:00"), at("2026-11-26"))
        assert early == later

    def test_synthetic_symbols_change_nothing_for_the_others(self):
        span = ("DEMO:BTCUSD", Interval.H1, at("2026-11-24"), at("2026-11-25"), NOW)
        assert DemoMarket(1).bars(*span) == DemoMarket(1, synthetic_count=50).bars(*span)

    def test_prices_are_pinned(self):
        """A changed figure means that stored demo history no longer fits what is streamed: change it knowingly."""
        bar = DemoMarket(1).bars("DEMO:BTCUSD", Interval.D1, at("2026-11-24"), at("2026-11-25"), NOW)[0]
        assert (bar.open, bar.high, bar.low, bar.close) == (84956.9, 86007.97, 84048.31, 85247.77)


class TestPricesAreBelievable:
    @pytest.mark.parametrize("symbol", DEMO_SYMBOLS)
    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_they_stay_near_the_level_of_the_real_thing(self, seed, symbol):
        market = DemoMarket(seed)
        days = market.bars(symbol, Interval.D1, at("2024-01-01"), NOW, NOW)
        level = market.listing(symbol).level
        assert all(level / 5 < day.low <= day.high < level * 5 for day in days)
        moves = np.abs(np.diff(np.log([day.close for day in days])))
        assert moves.max() < 0.35
        assert 0.2 < moves.mean() / market.listing(symbol).daily_deviation < 2

    def test_a_bitcoin_trades_several_times_a_second(self, market):
        ticks = list(
            market.ticks(
                "DEMO:BTCUSD", *(int(at(t).timestamp()) * 10**9 for t in ("2026-11-24T12:00", "2026-11-24T12:10"))
            )
        )
        assert 1_200 < len(ticks) < 4_800
        assert len({tick.price for tick in ticks}) > 300

    def test_prices_are_whole_ticks(self, market):
        for bar in market.bars("DEMO:ES1!", Interval.M1, at("2026-11-24"), NOW, NOW):
            assert all(price * 4 == round(price * 4) for price in (bar.open, bar.high, bar.low, bar.close))


class TestListings:
    def test_a_dozen_symbols_marked_as_demo(self):
        instruments = demo_instruments()
        assert len(instruments) >= 12
        assert all(instrument.symbol.startswith("DEMO:") and "(demo)" in instrument.name for instrument in instruments)
        assert all(instrument.provider == "demo" for instrument in instruments)

    def test_every_kind_that_clients_stumble_over(self):
        by_symbol = {listing.symbol: listing for listing in LISTINGS}
        calendars = {listing.calendar for listing in LISTINGS}
        assert {"24/7", "forex", "XNYS", "CMES", "XTKS"} <= calendars
        assert any(not listing.name.isascii() for listing in LISTINGS)
        assert any(ord(letter) > 0xFFFF for listing in LISTINGS for letter in listing.name)  # two UTF-16 units
        assert [listing.symbol for listing in LISTINGS if listing.delay_seconds] == ["DEMO:VOD"]
        assert not by_symbol["DEMO:DEMO500"].has_volume
        assert by_symbol["DEMO:THIN"].trades_a_minute < 1
        assert "DEMO:ES1!" in by_symbol

    def test_always_open_markets_trade_stocks_on_a_sunday(self):
        market = DemoMarket(1, always_open=True)
        sunday = at("2026-11-22T12:00")
        start = int(sunday.timestamp()) * 10**9
        assert next(market.ticks("DEMO:AAPL", start, start + 60 * 10**9)).price > 0
        assert {instrument.calendar for instrument in demo_instruments(always_open=True)} == {"24/7"}
        assert_same(market, "DEMO:BREZ", at("2026-11-22"), at("2026-11-23"), TO_A_DAY)

    def test_synthetic_symbols_trade_at_the_rate_asked_for(self):
        market = DemoMarket(1, synthetic_count=2, ticks_a_second=20)
        start = int(at("2026-11-24T12:00").timestamp()) * 10**9
        ticks = sum(1 for _ in market.ticks("DEMO:SYN0002", start, start + 300 * 10**9))
        assert 3_000 < ticks < 10_000
        assert "DEMO:SYN0003" not in market.symbols()


@pytest.mark.untraced
def test_caches_are_bounded_and_do_not_change_what_is_served():
    market, small = DemoMarket(4), DemoMarket(4)
    small.history._minutes._budget = small.history._coarse._budget = 200_000
    for symbol in DEMO_SYMBOLS:
        span = (symbol, Interval.H1, NOW - timedelta(days=14), NOW, NOW)
        assert small.bars(*span) == market.bars(*span)
    assert market.history._minutes.held_bytes > 1_000_000  # what an ample budget would have held
    assert small.history._minutes.held_bytes <= 200_000
    assert small.history._coarse.held_bytes <= 200_000


@pytest.mark.untraced
def test_days_of_thousands_of_symbols_are_forgotten_and_found_again(monkeypatch):
    monkeypatch.setattr("providers.demo.history._WHOLE_LEVELS", 2)
    market, small = DemoMarket(4, synthetic_count=9), DemoMarket(4, synthetic_count=9)
    symbols = [symbol for symbol in market.symbols() if "SYN" in symbol]
    tapes = [small.prints(small.listing(symbol), int(NOW.timestamp() * 1_000)) for symbol in symbols]
    told = [next(tape) for tape in tapes]
    assert sum(level.dropped > 5_000 for level in small.history._levels.values()) == len(symbols) - 2
    assert told == [next(market.prints(market.listing(symbol), int(NOW.timestamp() * 1_000))) for symbol in symbols]
    for symbol in symbols:
        for interval, start in ((Interval.D1, at("2012-02-01")), (Interval.M5, at("2026-11-20"))):
            assert small.bars(symbol, interval, start, NOW, NOW) == market.bars(symbol, interval, start, NOW, NOW)
    assert len(small.history._whole) == 2


def test_exchange_calendars_are_loaded_for_exchanges_only():
    code = (
        "import sys\n"
        "from providers.demo.market import DemoMarket\n"
        "market = DemoMarket(1)\n"
        "for symbol in ('DEMO:BTCUSD', 'DEMO:EURUSD'):\n"
        "    next(market.ticks(symbol, 1795564800 * 10**9, 1795651200 * 10**9))\n"
        "assert 'exchange_calendars' not in sys.modules and 'django' not in sys.modules\n"
    )
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)

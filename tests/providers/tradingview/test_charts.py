"""Chart sessions without a socket: rows from messages, errors to the exceptions that tell what to do."""

import json
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.calendars import get_calendar
from domain.errors import (
    ProtocolError,
    ProviderRejected,
    ProviderUnavailable,
    UnknownCalendar,
    UnknownSymbol,
    UnsupportedInterval,
)
from domain.instrument import Instrument
from domain.interval import Interval
from providers.tradingview.bars import closed, place, to_bars, window_of
from providers.tradingview.charts import Chart, ChartSession
from providers.tradingview.codec import encode, encode_call
from providers.tradingview.instruments import instrument_of
from providers.tradingview.messages import Call
from providers.tradingview.rows import Row

ROW = Row(0.0, 1.0, 2.0, 0.5, 1.5, 10.0)
STOCK = Instrument(symbol="NASDAQ:AAPL", calendar="XNYS")


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def chart():
    return Chart("NASDAQ:AAPL", random.random)


def data(own, *bars, method="timescale_update", turnaround="s1"):
    items = [{"i": index, "v": list(bar)} for index, bar in enumerate(bars)]
    return Call(method, [own.id, {"sds_1": {"s": items, "t": turnaround}, "st1": {"st": [{"i": 0, "v": [1, 2]}]}}])


def read(own, payload):
    """``own`` after a packet came for it over a connection."""
    session = ChartSession(random=random.random)
    session.charts[own.id] = own
    session.receive(encode(payload).encode(), 0, [])
    return own


def test_rows_are_known_by_their_time_and_the_last_word_counts():
    own = chart()
    own.receive(data(own, [60.0, 1, 2, 0.5, 1.5, 10], [120.0, 1, 1, 1, 1, 1]))
    own.receive(data(own, [0.0, 9, 9, 9, 9, 9], [60.0, 1, 3, 0.5, 2.5, 11]))
    own.receive(data(own, [120.0, 1, 4, 1, 4, 0], method="du"))
    assert own.rows == {0: Row(0, 9, 9, 9, 9, 9), 60: Row(60, 1, 3, 0.5, 2.5, 11), 120: Row(120, 1, 4, 1, 4, 0)}


def test_bars_of_an_index_have_five_values():
    own = chart()
    own.receive(data(own, [60.0, 1, 2, 0.5, 1.5]))
    assert own.rows[60].volume is None


def test_rows_of_an_older_request_and_empty_updates_are_skipped():
    own = chart()
    own.receive(data(own, [60.0, 1, 2, 0.5, 1.5, 1], turnaround="s0"))
    for objects in ({}, {"sds_1": {}}, {"sds_1": {"s": []}}, [], None):
        own.receive(Call("timescale_update", [own.id, objects]))
    assert own.rows == {}
    assert own.failure is None


@pytest.mark.parametrize(
    "bar",
    [[60], [60.0, 1, 2, 3], [60.0, 1, 0, 2, 1, 1], ["x", 1, 1, 1, 1], [60.5, 1, 1, 1, 1], [60.0, 1, None, 1, 1, 1],
     [60.0, 1, 1e100, 1, 1, 1], [True, 1, 1, 1, 1], [60.0, 1, 1, 1, 1, 1, 1]],
)  # fmt: skip
def test_what_is_no_bar_is_counted_and_left_out(bar):
    own = chart()
    own.receive(data(own, bar, [120.0, 1, 2, 0.5, 1.5, 1]))
    assert list(own.rows) == [120]
    assert own.broken == 1


def test_a_load_is_complete_for_its_own_series_only():
    own = chart()
    own.receive(Call("series_completed", [own.id, "other", "streaming", "s1"]))
    own.receive(Call("series_completed", [own.id, "sds_1", "streaming", "s9"]))
    assert not own.is_loaded
    own.receive(Call("series_completed", [own.id, "sds_1", "delayed_streaming_900", "s1", {}]))
    assert own.is_loaded
    assert own.update_mode == "delayed_streaming_900"


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        ("symbol_error", ["sds_sym_1", "invalid symbol"], UnknownSymbol),
        ("symbol_error", ["sds_sym_1", "permission denied"], ProviderRejected),
        ("symbol_error", [], ProviderRejected),
        ("series_error", ["sds_1", "s1", "custom_resolution"], ProviderRejected),
        ("critical_error", ["invalid parameters", "method: create_series"], ProviderRejected),
        ("critical_error", ["max sessions rate reached"], ProviderUnavailable),
        ("series_error", ["sds_1", "s1", "exceed limit of series"], ProviderUnavailable),
    ],
)
def test_errors_say_whether_asking_again_helps(method, params, error):
    own = chart()
    own.receive(Call(method, [own.id, *params]))
    assert isinstance(own.failure, error)


VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(),
    st.booleans(),
    st.none(),
    st.sampled_from([0, 60, 120.0, 60.5, 1e100, -1, "1", []]),
)
BARS = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 9).map(lambda n: n * 60.0), *[st.floats(1, 2)] * 4, st.floats(-1, 9)).map(list),
        st.lists(VALUES, max_size=7),
    ),
    max_size=6,
)


@given(BARS, st.booleans())
def test_both_ways_of_reading_bars_see_the_same(bars, is_live):
    own, other = chart(), chart()
    told = data(own, *bars, method="du" if is_live else "timescale_update")
    payload = json.dumps({"m": told.m, "p": [*told.p, {"index": 0}]}, separators=(",", ":"), allow_nan=False)
    read(own, payload)
    other.receive(Call("du", [other.id, json.loads(payload)["p"][1]]))
    assert own.rows == other.rows
    assert own.broken == other.broken


def test_a_well_formed_load_is_read_the_short_way():
    own = chart()
    own._data = None  # the long way
    read(own, encode_bars(own, [[60.0, 1, 2, 0.5, 1.5, 10], [120.0, 1, 1, 1, 1]]))
    assert own.rows == {60: Row(60, 1, 2, 0.5, 1.5, 10), 120: Row(120, 1, 1, 1, 1)}


def encode_bars(own, bars):
    told = data(own, *bars)
    return json.dumps({"m": told.m, "p": told.p}, separators=(",", ":"))


@pytest.mark.parametrize("volume", [-1, 1e100])
def test_a_volume_that_is_none_is_left_out(volume):
    own = chart()
    read(own, encode_bars(own, [[60.0, 1, 2, 0.5, 1.5, volume]]))
    assert own.rows == {60: Row(60, 1, 2, 0.5, 1.5)}
    assert own.broken == 0


def test_the_time_of_a_load_is_the_providers():
    own = chart()
    assert own.began_at is None
    for seconds in (1767225600, 1767225700):  # older bars that are asked for later don't make the newest ones newer
        read(own, f'{{"m":"series_loading","p":["{own.id}","sds_1","s1"],"t":{seconds},"t_ms":{seconds}000}}')
    assert own.began_at == 1767225600
    for odd in ("", ',"t":-1', ',"t":1e300', ',"t":"x"'):
        silent = chart()
        assert read(silent, f'{{"m":"series_loading","p":["{silent.id}"]{odd}}}').began_at is None


def test_an_unreadable_packet_spoils_the_answer_of_whom_it_names():
    session = ChartSession(random=random.random)
    first, second = chart(), chart()
    session.charts = {first.id: first, second.id: second}
    session.receive(encode(f'{{"m":"timescale_update","p":["{second.id}",{{').encode(), 0, [])
    assert first.failure is None
    assert isinstance(second.failure, ProtocolError)


@pytest.mark.parametrize("message", ['~m~20~m~{"m":"timesca', "no packet at all", encode('{"m":"timesca')])
def test_what_names_nobody_spoils_all_answers(message):
    session = ChartSession(random=random.random)
    first, second = chart(), chart()
    session.charts = {first.id: first, second.id: second}
    session.receive(message.encode(), 0, [])
    assert isinstance(first.failure, ProtocolError)
    assert isinstance(second.failure, ProtocolError)


def test_a_session_that_is_dead_is_not_named_any_more():
    own = chart()
    assert own.close_calls()
    own.receive(Call("critical_error", [own.id, "invalid parameters", ""]))
    assert own.close_calls() == []


def test_several_charts_share_a_connection():
    session = ChartSession(random=random.random)
    first, second = chart(), chart()
    session.charts = {first.id: first, second.id: second}
    session.receive(encode_call("symbol_error", [second.id, "sds_sym_1", "invalid symbol"]).encode(), 0, [])
    assert first.failure is None
    assert isinstance(second.failure, UnknownSymbol)


@given(st.sampled_from(["timescale_update", "du", "series_completed", "symbol_resolved", "series_error", "critical_error"]),
       st.lists(st.recursive(st.none() | st.integers() | st.floats() | st.text(max_size=5),
                             lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["sds_1", "s", "v", "t"]), inner, max_size=3)),
                max_size=4))  # fmt: skip
@settings(max_examples=150)
def test_no_call_however_odd_breaks_a_chart(method, params):
    own = chart()
    own.receive(Call(method, [own.id, *params]))
    own.receive(Call(method, params))


# Their stamps into our keys


def placed(instrument, interval, *times):
    return [window for window, _ in place(instrument, interval, dict.fromkeys(times, ROW)).bars]


@pytest.mark.parametrize(
    ("calendar", "interval", "stamp", "key", "start", "end"),
    [
        ("XNYS", "1d", "2026-01-05T14:30", "2026-01-05", "2026-01-05T14:30", "2026-01-05T21:00"),
        ("XNYS", "1d", "2026-07-06T13:30", "2026-07-06", "2026-07-06T13:30", "2026-07-06T20:00"),
        ("XNYS", "1d", "2026-01-05T00:00", "2026-01-05", "2026-01-05T14:30", "2026-01-05T21:00"),
        ("XNYS", "1w", "2026-01-20T14:30", "2026-01-19", "2026-01-20T14:30", "2026-01-23T21:00"),  # Monday was a holiday
        ("XNYS", "1w", "2026-01-19T00:00", "2026-01-19", "2026-01-20T14:30", "2026-01-23T21:00"),
        ("XNYS", "1M", "2026-01-02T14:30", "2026-01-01", "2026-01-02T14:30", "2026-01-30T21:00"),
        ("XNYS", "1M", "2026-01-01T00:00", "2026-01-01", "2026-01-02T14:30", "2026-01-30T21:00"),
        ("CMES", "1d", "2026-01-05T23:00", "2026-01-06", "2026-01-05T23:00", "2026-01-06T22:00"),
        ("forex", "1d", "2026-01-05T22:00", "2026-01-06", "2026-01-05T22:00", "2026-01-06T22:00"),
        ("forex", "1w", "2026-01-04T22:00", "2026-01-05", "2026-01-04T22:00", "2026-01-09T22:00"),
        ("24/7", "1w", "2026-01-05T00:00", "2026-01-05", "2026-01-05T00:00", "2026-01-12T00:00"),
        ("XTKS", "1h", "2026-01-05T03:30", "2026-01-05T03:30", "2026-01-05T03:30", "2026-01-05T04:30"),
    ],
)  # fmt: skip
def test_stamps_become_our_keys_and_spans(calendar, interval, stamp, key, start, end):
    instrument = Instrument(symbol="X:A", calendar=calendar)
    [window] = placed(instrument, Interval(interval), at(stamp))
    assert window == (at(start), at(end), at(key))


@pytest.mark.parametrize("interval", list(Interval))
@pytest.mark.parametrize("name", ["24/7", "forex", "XNYS", "XTKS", "CMES", "XNYS/extended"])
def test_a_walk_along_the_calendar_finds_what_each_time_alone_would(name, interval):
    """Over a clock change, a half-day and holidays; with stamps that are off the grid, and holes of any length."""
    calendar = get_calendar(name)
    windows = list(calendar.windows(interval, at("2025-10-20"), at("2025-12-29")))
    chosen = random.Random(7)
    times = {window.start for window in windows if chosen.random() < 0.05 or not interval.is_intraday}
    times |= {time + 7 for time in list(times)[::5]} | {at("2025-12-28T12:00"), at("2026-05-01T14:00")}
    alone = [window_of(calendar, interval, time)[0] for time in sorted(times)]
    instrument = Instrument(symbol="X:A", calendar=name)
    keys = sorted({window.key for window in alone if window is not None})
    assert [window.key for window in placed(instrument, interval, *times)] == keys


def test_the_closing_auction_joins_the_last_minute():
    london = Instrument(symbol="LSE:VOD", calendar="XLON")
    rows = {
        at("2026-01-05T16:29"): Row(at("2026-01-05T16:29"), 10.0, 11.0, 9.0, 10.5, 5.0),
        at("2026-01-05T16:35"): Row(at("2026-01-05T16:35"), 12.0, 12.0, 12.0, 12.0, 7.0),
    }
    [bar] = to_bars(london, Interval.M1, place(london, Interval.M1, rows).bars)
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (10.0, 12.0, 9.0, 12.0, 12.0)
    assert bar.open_time == datetime(2026, 1, 5, 16, 29, tzinfo=UTC)


def test_bars_outside_every_session_are_left_out_and_told():
    found = place(
        STOCK, Interval.M1, dict.fromkeys([at("2026-01-05T12:00"), at("2026-01-05T14:30"), at("2026-01-05T14:31")], ROW)
    )
    assert len(found.bars) == 2
    assert found.remarks == ("1 bars left out: outside the sessions of our calendar",)


def test_a_grid_that_is_not_ours_is_unsupported_rather_than_wrong():
    clock_hours = [at(f"2026-01-05T{hour}:00") for hour in range(15, 21)]
    with pytest.raises(UnsupportedInterval, match="roll them up"):
        placed(STOCK, Interval.H1, *clock_hours)


def test_a_holiday_that_was_traded_is_taken_as_served():
    found = place(STOCK, Interval.D1, dict.fromkeys([at("2026-01-02T14:30"), at("2026-01-19T14:30")], ROW))
    assert [window.key for window, _ in found.bars] == [at("2026-01-02"), at("2026-01-19")]
    assert "holidays" in found.remarks[0]


@pytest.mark.parametrize(
    ("now", "count"),
    [("2026-01-05T14:32:00", 1), ("2026-01-05T14:32:09", 1), ("2026-01-05T14:32:10", 2), ("2026-01-06T00:00", 2)],
)
def test_the_last_bar_is_closed_when_its_span_is_well_over(now, count):
    found = place(STOCK, Interval.M1, dict.fromkeys([at("2026-01-05T14:30"), at("2026-01-05T14:31")], ROW))
    assert len(closed(found, STOCK, delay_seconds=0, now=at(now))) == count
    assert len(closed(found, STOCK, delay_seconds=900, now=at(now) + 900)) == count
    assert closed(place(STOCK, Interval.M1, {}), STOCK, delay_seconds=0, now=0) == []


# What a symbol is


INFO = {"description": "Apple", "type": "stock", "session": "0930-1600", "timezone": "America/New_York",
        "pricescale": 100, "minmov": 1, "currency_code": "USD", "visible_plots_set": "ohlcv"}  # fmt: skip


@pytest.mark.parametrize(
    ("symbol", "changes", "calendar"),
    [
        ("NASDAQ:AAPL", {}, "XNYS"),
        ("BINANCE:BTCUSDT", {"session": "24x7", "type": "spot", "timezone": "Etc/UTC"}, "24/7"),
        ("FX:EURUSD", {"type": "forex", "session": "1700-1700"}, "forex"),
        ("CME_MINI:ES1!", {"session": "1700-1600", "timezone": "America/Chicago"}, "CMES"),
        ("OANDA:XAUUSD", {"type": "cfd", "session": "1800-1700:23456"}, "CMES"),
        ("TVC:NI225", {"session": "0900-1130,1230-1530", "timezone": "Asia/Tokyo"}, "XTKS"),
        ("DEMO:VOD", {"listed_exchange": "LSE"}, "XLON"),
    ],
)
def test_calendars_come_from_hours_type_or_venue(symbol, changes, calendar):
    assert instrument_of(symbol, INFO | changes, provider="x").calendar == calendar


def test_a_market_whose_calendar_is_not_known_is_refused_rather_than_guessed():
    with pytest.raises(UnknownCalendar, match="Asia/Ho_Chi_Minh"):
        instrument_of("HOSE:VCB", INFO | {"timezone": "Asia/Ho_Chi_Minh"}, provider="x")


@pytest.mark.parametrize(
    ("pricescale", "minmov", "decimals", "tick"),
    [
        (100, 1, 2, 0.01),
        (1, 1, 0, 1.0),
        (1, 100, 0, 100.0),
        (100, 25, 2, 0.25),
        (10**8, 1, 8, 1e-8),
        (128, 1, 7, 1 / 128),
    ],
)
def test_price_formats(pricescale, minmov, decimals, tick):
    found = instrument_of("NASDAQ:A", INFO | {"pricescale": pricescale, "minmov": minmov}, provider="x")
    assert (found.price_decimals, found.tick_size) == (decimals, tick)


def test_details_of_a_symbol():
    info = INFO | {"visible_plots_set": "ohlc", "delay": 900, "base_currency_id": "XTVCBTC", "full_name": "X_DLY:A"}
    found = instrument_of("NASDAQ:A", info, provider="demo")
    assert (found.symbol, found.provider_code, found.provider) == ("NASDAQ:A", "NASDAQ:A", "demo")
    assert (found.has_volume, found.delay_seconds, found.base_currency) == (False, 900, "BTC")
    assert instrument_of("NASDAQ:A", {"session": "24x7"}, provider="x").price_decimals == 2

"""Frames recorded from the live service, in the shared data folder beside the project."""

import gzip
import os
import random
from pathlib import Path

import orjson
import pytest

from domain.instrument import Instrument
from domain.interval import Interval
from domain.tick import Tick
from providers.base import FeedEventKind
from providers.tradingview import codec
from providers.tradingview.bars import place
from providers.tradingview.charts import Chart, ChartSession
from providers.tradingview.messages import parse_call
from providers.tradingview.rows import row_of
from providers.tradingview.session import StreamSession

SHARED = Path(os.environ.get("POCKETQUANT_SHARED", Path(__file__).parents[3].parent / "shared"))
FRAMES = SHARED / "data" / "payloads" / "tradingview" / "socket_frames.txt.gz"
pytestmark = pytest.mark.skipif(not FRAMES.exists(), reason=f"no recorded frames at {FRAMES}")


@pytest.fixture(scope="module")
def recording():
    with gzip.open(FRAMES, "rb") as file:
        return file.read()


@pytest.fixture(scope="module")
def calls(recording):
    return [parse_call(payload) for payload in codec.decode(recording).payloads]


def test_every_frame_decodes_and_encodes_back_to_the_same_bytes(recording):
    payloads, fault = codec.decode(recording)
    assert fault is None
    assert len(payloads) == 21
    assert codec.encode(*payloads).encode() == recording
    assert all(orjson.loads(payload) for payload in payloads)


def test_a_cut_recording_keeps_its_whole_frames(recording):
    payloads, fault = codec.decode(recording[:-1])
    assert len(payloads) == 20
    assert "cut short" in str(fault)


def test_interleaved_series_load_apart(recording, calls):
    session = ChartSession(random=random.random)
    expected = {}
    for call in calls:
        if call.m == "timescale_update":
            [series] = [key for key in call.p[1] if key.startswith("sds_")]
            chart = Chart("X:A", random.random)
            chart.id = call.p[0]
            session.charts[chart.id] = chart
            expected[chart.id] = (series, call.p[1][series]["s"])
    # Our own charts call their series sds_1; the browser that was recorded counted on.
    for series, _ in expected.values():
        recording = recording.replace(f'"{series}"'.encode(), b'"sds_1"')
    for payload in _reframed(recording):
        session.receive(payload, 0, [])
    assert len(session.charts) == 3
    for chart in session.charts.values():
        bars = expected[chart.id][1]
        assert chart.is_loaded
        assert chart.broken == 0
        assert len(chart.rows) == len(bars)
        rows = [chart.rows[int(bar["v"][0])] for bar in bars]
        assert [[row.open, row.high, row.low, row.close] for row in rows] == [bar["v"][1:5] for bar in bars]


def _reframed(recording):
    """Packets again, their lengths counted anew after a change of names."""
    pieces = recording.split(b"~m~")[2::2]
    return [codec.encode(piece).encode() for piece in pieces]


def test_recorded_days_of_an_index_fall_on_their_trading_dates(calls):
    daily = next(call for call in calls if call.m == "timescale_update" and "sds_7" in call.p[1])
    stamps = [int(bar["v"][0]) for bar in daily.p[1]["sds_7"]["s"]]
    rows = {int(bar["v"][0]): row_of(bar["v"]) for bar in daily.p[1]["sds_7"]["s"]}
    found = place(Instrument(symbol="SP:SPX", calendar="XNYS"), Interval.D1, rows)
    assert found.remarks == ()
    assert [window.start for window, _ in found.bars] == stamps
    assert all(
        window.key % 86_400 == 0 and 0 < stamp - window.key < 86_400
        for (window, _), stamp in zip(found.bars, stamps, strict=True)
    )


def test_recorded_quotes_make_snapshots_and_no_tick(calls):
    quotes = [call for call in calls if call.m == "qsd"]
    symbols = [call.p[1]["n"] for call in quotes]
    session = StreamSession(random=random.random)
    session.follow([Instrument(symbol=symbol, has_volume=symbol != "NASDAQ:NDX") for symbol in symbols], 0)
    session.open(0)
    added = next(text for text in session.take_outgoing() if "quote_add_symbols" in text)
    own = parse_call(codec.decode(added).payloads[0]).p[0]
    events = []
    for call in calls:
        if call.m in ("qsd", "quote_completed"):
            session.receive(codec.encode_call(call.m, [own, *call.p[1:]]).encode(), 0, events)
    assert not [event for event in events if isinstance(event, Tick)]
    assert [event.symbol for event in events if event.kind is FeedEventKind.SUBSCRIBED] == symbols
    assert [event.delay_seconds for event in events if event.kind is FeedEventKind.DELAYED] == [900]
    last = {quote.symbol: quote for quote in session.take_quotes(0)}
    assert last["NASDAQ:AAPL"].last == 180.96
    assert last["NASDAQ:AAPL"].volume == 48899973
    assert last["BITSTAMP:BTCUSD"].volume == 275.62184705
    assert last["NASDAQ:NDX"].volume is None  # 1e+100
    assert session.garbage == 0

"""Every kind of file in the shared data folder beside the project can be imported, with the command that the docs give."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from domain.bar import Bar
from domain.calendars import get_calendar
from domain.instrument import Instrument
from domain.interval import Interval
from domain.rollup import roll_up
from marketdata.files.drafts import Reader, Reading
from symbols.models import Exchange, Symbol

BARS = Path(__file__).resolve().parents[4] / "shared" / "data" / "bars"
pytestmark = [
    pytest.mark.untraced,
    pytest.mark.skipif(not BARS.is_dir(), reason="needs the shared data folder beside the project"),
    pytest.mark.django_db,
]

# file, symbol, calendar, what the docs say to add to the command
KINDS = [
    ("binance_btcbusd_1m_20221213.csv.gz", "BINANCE:BTCBUSD", "24/7", ["--interval", "1m"]),
    ("binance_btcusdt_1h_2018-05.csv.gz", "BINANCE:BTCUSDT", "24/7", ["--interval", "1h"]),
    ("btc_perp_1m_2022-01.csv.gz", "BITMEX:XBTUSD", "24/7", ["--interval", "1m"]),
    ("coinbase_btcusd_1d.csv.gz", "COINBASE:BTCUSD", "24/7", ["--interval", "1d"]),
    ("ethbtc_5m_2018-01.csv.gz", "BINANCE:ETHBTC", "24/7", ["--interval", "5m"]),
    ("eurusd_1h_2017_2018.csv.gz", "FX:EURUSD", "24/7", ["--interval", "1h"]),
    ("index_future_1m_2006-01_02.csv.gz", "EUREX:FDAX1!", "24/7", ["--interval", "1m", "--time-zone", "Europe/Berlin"]),
    (
        "index_sp500_1m_2019-11.csv.gz",
        "SP:SPX",
        "XNYS",
        ["--interval", "1m", "--time-zone", "America/New_York", "--session", "extended"],
    ),
    ("oanda_eurusd_1d_bidask.csv.gz", "OANDA:EURUSD", "24/7", ["--interval", "1d", "--price", "bid"]),
    ("us_aapl_1m_20140605.csv.gz", "NASDAQ:AAPL", "XNYS", ["--interval", "1m", "--session", "extended"]),
    ("us_aapl_1m_20140606.csv.gz", "NASDAQ:AAPL", "XNYS", ["--interval", "1m", "--session", "extended"]),
    ("us_aapl_1m_20140609.csv.gz", "NASDAQ:AAPL", "XNYS", ["--interval", "1m", "--session", "extended"]),
    ("us_goog_1d_2004_2013.csv.gz", "NASDAQ:GOOG", "XNYS", ["--interval", "1d"]),
    ("us_intc_1d_1995_2004.csv.gz", "NASDAQ:INTC", "XNYS", ["--interval", "1d", "--ignore-column", "adj_close"]),
    ("us_spy_1d.csv.gz", "AMEX:SPY", "XNYS", ["--interval", "1d"]),
    ("us_spy_1m_2011-01.csv.gz", "AMEX:SPY", "XNYS", ["--interval", "1m", "--session", "extended"]),
]


def register(code: str, calendar: str) -> Symbol:
    venue, _, ticker = code.partition(":")
    exchange, _ = Exchange.objects.get_or_create(code=venue, defaults={"calendar": calendar})
    return Symbol.objects.create(exchange=exchange, ticker=ticker, code=code, calendar=calendar, streaming=False)


@pytest.mark.parametrize(("name", "code", "calendar", "options"), KINDS, ids=[kind[0] for kind in KINDS])
def test_it_is_imported_whole_and_what_is_exported_of_it_changes_nothing(
    name: str,
    code: str,
    calendar: str,
    options: list[str],
    mongo_database: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    register(code, calendar)
    command = ["import_bars", str(BARS / name), "--symbol", code, *options, "--json", "--no-input"]
    call_command(*command)
    first = json.loads(capsys.readouterr().out)
    with gzip.open(BARS / name, "rt") as file:
        assert first["inserted"] == len(file.readlines()) - 1
    call_command(*command)
    assert '"inserted":0,"replaced":0' in capsys.readouterr().out
    call_command("export_bars", code, "--output", str(tmp_path / "again.csv"), "--quiet")
    session = ["--session", "extended"] if "extended" in options else []
    call_command("import_bars", str(tmp_path / "again.csv"), *session, "--json", "--no-input")
    again = json.loads(capsys.readouterr().out)
    assert (again["inserted"], again["replaced"], again["unchanged"]) == (0, 0, first["inserted"])


def read(path: Path, calendar: str, interval: Interval, *, extended: bool = False) -> list[Bar]:
    instrument = Instrument(symbol="TEST:X", calendar=calendar)
    reader = Reader(
        Reading(now=datetime.now(UTC), extended=extended), lambda _symbol, _interval: (instrument, interval)
    )
    reader.read(path)
    assert reader.problems == []
    return next(iter(reader.drafts.values())).bars


def values(bars: list[Bar]) -> dict[datetime, tuple[float, ...]]:
    # The venues' own sums of volumes are rounded: they agree to the last digit that they print.
    return {bar.open_time: (bar.open, bar.high, bar.low, bar.close, round(bar.volume, 8)) for bar in bars}


@pytest.mark.parametrize(
    ("fine", "coarse", "calendar", "interval", "count"),
    [
        ("binance_xrpeth_20191011_20191013_bars_1m", "binance_xrpeth_20191011_20191013_bars_5m", "24/7", "5m", 706),
        ("coinbase_btcusd_20161007_bars_1m", "../bars/coinbase_btcusd_1d", "24/7", "1d", 1),
        (
            "us_spy_20131007_bars_1m",
            "../bars/us_spy_1d",
            "XNYS",
            "1d",
            1,
        ),  # of one vendor, early and late hours left out
    ],
)
def test_rolled_up_minutes_are_the_coarse_bars_of_the_same_source(
    fine: str, coarse: str, calendar: str, interval: str, count: int
) -> None:
    ticks = BARS.parent / "ticks"
    minutes = read(ticks / f"{fine}.csv.gz", calendar, Interval.M1, extended=True)
    theirs = values(read(ticks / f"{coarse}.csv.gz", calendar, Interval(interval)))
    ours = values(roll_up(minutes, Interval(interval), get_calendar(calendar)))
    assert len(ours) == count
    assert ours == {moment: theirs[moment] for moment in ours}


def test_two_vendors_of_one_share_differ_by_cents_and_odd_lots() -> None:
    minutes = read(BARS / "us_spy_1m_2011-01.csv.gz", "XNYS", Interval.M1, extended=True)
    theirs = {bar.open_time: bar for bar in read(BARS / "us_spy_1d.csv.gz", "XNYS", Interval.D1)}
    days = roll_up(minutes, Interval.D1, get_calendar("XNYS"))
    assert len(days) == 20
    for day in days:
        their = theirs[day.open_time]
        pairs = zip(
            (day.open, day.high, day.low, day.close), (their.open, their.high, their.low, their.close), strict=True
        )
        assert all(abs(our - other) <= 0.11 for our, other in pairs), day
        assert abs(day.volume / their.volume - 1) < 0.2, day

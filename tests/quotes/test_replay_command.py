"""`manage.py replay`: recordings as bars on stdout, in a file, in the store, and on pages that look."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import math
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command

from domain.bar import BarState
from domain.interval import Interval
from marketdata.repository import BarRepository
from providers.recording import load
from quotes.hub import Hub
from tests.quotes.live import a_browser, registered
from tests.quotes.running import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("POCKETQUANT_SHARED", ROOT / "../shared"))
SYMBOL = "BINANCE:XRPETH"
NS = 10**9
TEN = int(datetime(2019, 10, 11, 10, tzinfo=UTC).timestamp())


def shared(relative: str) -> Path:
    path = SHARED / "data" / relative
    if not path.exists():
        pytest.skip(f"the shared data folder beside the project has no {relative}")
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Ticks of two whole minutes and the beginning of a third."""
    path = tmp_path / "ticks.csv"
    lines = [f"{(TEN + second) * NS},{price},{size}" for second, price, size in
             [(0, 10, 1), (30, 12, 0.5), (59, 11, 0.25), (60, 9, 2), (125, 9.5, 4)]]  # fmt: skip
    path.write_text("\n".join(["ts_ns,price,size", *lines, ""]))
    return path


def command(*files: object, out: io.StringIO | None = None, words: io.StringIO | None = None, **flags: Any) -> None:
    """Run it with these files and options, as typed in a terminal."""
    typed = [f"--{name}={value}" for name, value in ({"symbol": SYMBOL} | flags).items() if value is not None]
    call_command("replay", *map(str, files), *typed, stdout=out or io.StringIO(), stderr=words or io.StringIO())


def replay(*files: object, **flags: Any) -> list[dict[str, Any]]:
    """The bars that the command writes on stdout."""
    out = io.StringIO()
    command(*files, out=out, bars="-", **flags)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def by_key(bars: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    found = {(bar["interval"], bar["open_time"]): bar for bar in bars}
    assert len(found) == len(bars), "a bar was written twice"
    return found


class TestBars:
    def test_each_bar_is_a_line_and_those_not_over_at_the_end_are_forming(self, recording):
        bars = replay(recording)
        assert bars[:3] == [
            {"symbol": SYMBOL, "interval": "1m", "open_time": "2019-10-11T10:00:00Z", "open": 10.0, "high": 12.0,
             "low": 10.0, "close": 11.0, "volume": 1.75, "trades": 3},
            {"symbol": SYMBOL, "interval": "1m", "open_time": "2019-10-11T10:01:00Z", "open": 9.0, "high": 9.0,
             "low": 9.0, "close": 9.0, "volume": 2.0, "trades": 1},
            {"symbol": SYMBOL, "interval": "1m", "open_time": "2019-10-11T10:02:00Z", "open": 9.5, "high": 9.5,
             "low": 9.5, "close": 9.5, "volume": 4.0, "trades": 1, "forming": True},
        ]  # fmt: skip
        assert {bar["interval"] for bar in bars if bar.get("forming")} == set(Interval)
        assert [bar["open_time"] for bar in bars if bar["interval"] == "1w"] == ["2019-10-07T00:00:00Z"]

    def test_a_bar_is_over_once_a_tick_comes_at_its_end(self, tmp_path):
        path = tmp_path / "ticks.csv"
        path.write_text(f"ts_ns,price,size\n{TEN * NS},1,1\n{(TEN + 60) * NS},2,1\n")
        assert ["forming" in bar for bar in replay(path) if bar["interval"] == "1m"] == [False, True]

    @pytest.mark.parametrize("speed", ["max", "1000000000000"])
    @pytest.mark.parametrize("name", ["mtgox_btcusd_20130101", "binance_xrpeth_20191011_20191013"])
    def test_real_trades_give_the_expected_bars_at_any_speed(self, name, speed):
        expected = json.loads(shared(f"expected/bars13_{name}.json").read_text())["bars"]
        found = by_key(replay(shared(f"ticks/{name}_trades.csv.gz"), speed=speed))
        assert len(found) == sum(map(len, expected.values()))
        for interval, bars in expected.items():
            for open_time, o, h, low, c, volume, trades in bars:
                bar = found[interval, open_time]
                prices = (bar["open"], bar["high"], bar["low"], bar["close"])
                assert prices == (float(o), float(h), float(low), float(c))
                assert bar["volume"] == pytest.approx(float(volume), rel=1e-9)
                assert bar["trades"] == trades

    @pytest.mark.parametrize("calendar", ["24/7", "XNYS", "XNYS/extended", "XLON"])
    def test_both_ways_of_folding_write_the_same_bars(self, calendar):
        path = shared("ticks/us_ibm_20131007_trades.csv.gz")
        at_once, one_by_one = (by_key(replay(path, speed=speed, calendar=calendar)) for speed in ("max", "1e15"))
        assert at_once == one_by_one
        assert len(at_once) > 300

    def test_the_calendar_decides_what_is_in_session(self, tmp_path):
        path = tmp_path / "ticks.csv"
        path.write_text(f"ts_ns,price,size\n{TEN * NS},1,1\n{(TEN + 4 * 3600) * NS},2,1\n")  # 06:00 and 10:00 there
        bars = replay(path, calendar="XNYS")
        assert [bar["open"] for bar in bars] == [2.0] * 13
        assert by_key(bars)["1h", "2019-10-11T13:30:00Z"]["forming"]

    def test_a_registered_symbol_brings_its_calendar(self, recording):
        registered(SYMBOL, calendar="XNYS")
        assert replay(recording) == []

    @pytest.mark.parametrize("speed", ["max", "1e15"])
    def test_sizes_finer_than_the_registered_lot_step_are_not_rounded(self, recording, speed):
        registered(SYMBOL, lots_per_unit=100)
        recording.write_text(f"ts_ns,price,size\n{TEN * NS},1,0.3\n{TEN * NS},1,1e-12\n")
        assert {bar["volume"] for bar in replay(recording, speed=speed)} == {0.300000000001}

    def test_several_files_are_one_recording(self, recording, tmp_path):
        later = tmp_path / "later.csv"
        later.write_text(f"size,price,ts_ns\n8,7,{(TEN + 126) * NS}\n")
        minute = by_key(replay(recording, later))["1m", "2019-10-11T10:02:00Z"]
        assert (minute["open"], minute["close"], minute["volume"], minute["trades"]) == (9.5, 7.0, 12.0, 2)

    def test_a_file_takes_the_bars_when_they_are_complete(self, recording, tmp_path):
        target = tmp_path / "bars.jsonl"
        command(recording, bars=target)
        assert [json.loads(line) for line in target.read_text().splitlines()] == replay(recording)

    @pytest.mark.parametrize("speed", [None, "1e12"])
    def test_a_broken_line_leaves_no_file_and_no_line(self, recording, tmp_path, speed):
        recording.write_text(recording.read_text() + "oops\n")
        with pytest.raises(CommandError, match=r"ticks\.csv, line 7: 1 fields") as raised:
            command(recording, bars=tmp_path / "out", speed=speed)
        assert raised.value.returncode == 1
        out = io.StringIO()
        with pytest.raises(CommandError):
            command(recording, bars="-", out=out)
        assert out.getvalue() == ""
        assert [path.name for path in tmp_path.iterdir()] == ["ticks.csv"]

    @pytest.mark.parametrize(
        ("options", "complaint"),
        [
            ({"symbol": "xrpeth"}, "write EXCHANGE:TICKER"),
            ({"calendar": "XMARS"}, "no calendar 'XMARS'"),
            ({"calendar": ""}, "no calendar ''"),
            ({"bars": "{recording}"}, "is one of the recordings"),
            ({"bars": "."}, "'.' is a folder"),
            ({"bars": ""}, "'' is a folder"),
            ({"bars": "no/such/folder/bars"}, "there is no such folder"),
            ({"bars": None, "calendar": "24/7"}, "--calendar goes with --bars"),
        ],
    )
    def test_wrong_use_is_told_apart_from_failure(self, recording, options, complaint):
        given = {"symbol": SYMBOL, "bars": "-"} | options
        given = {name: str(recording) if value == "{recording}" else value for name, value in given.items()}
        with pytest.raises(CommandError, match=complaint) as raised:
            command(recording, **given)
        assert raised.value.returncode == 2

    @pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf", "fast"])
    def test_a_speed_that_is_none_is_refused(self, recording, speed):
        with pytest.raises(CommandError, match=f"--speed: '{speed}' is neither a number above 0 nor max"):
            command(recording, bars="-", speed=speed)

    def test_a_file_given_twice_would_count_twice(self, recording):
        with pytest.raises(CommandError, match="is given twice") as raised:
            command(recording, recording, bars="-")
        assert raised.value.returncode == 2

    @pytest.mark.parametrize("speed", ["max", "1e15"])
    def test_the_counts_are_said_at_the_end(self, tmp_path, speed):
        path, words = tmp_path / "ticks.csv", io.StringIO()
        path.write_text(f"ts_ns,price,size\n{TEN * NS},1,1\n{(TEN + 4 * 3600) * NS},2,1\n")  # 06:00 and 10:00 there
        command(path, bars="-", calendar="XNYS", speed=speed, words=words)
        assert words.getvalue() == "2 ticks, 1 of them outside every session\n"

    @pytest.mark.parametrize("speed", ["max", "1e15"])
    def test_prices_below_zero_make_bars_and_are_said(self, tmp_path, speed):
        path, words, out = tmp_path / "ticks.csv", io.StringIO(), io.StringIO()
        path.write_text(f"ts_ns,price,size\n{TEN * NS},0.01,1\n{TEN * NS},-37.63,1\n{TEN * NS},0,1\n{TEN * NS},-1,1\n")
        command(path, bars="-", speed=speed, words=words, out=out)
        bar = json.loads(out.getvalue().splitlines()[0])
        assert (bar["open"], bar["high"], bar["low"], bar["close"]) == (0.01, 0.01, -37.63, -1.0)
        assert "line 3: a price of -37.63 (and 2 more like it): taken as written" in words.getvalue()

    @pytest.mark.parametrize("speed", ["max", "1e15"])
    def test_the_middle_of_quotes_carries_no_dust(self, tmp_path, speed):
        path = tmp_path / "ticks.csv"
        path.write_text(f"ts_ns,bid,ask\n{TEN * NS},1.1,1.3\n")
        assert replay(path, price="mid", speed=speed)[0]["close"] == 1.2

    def test_both_ways_give_the_same_middles_of_real_quotes(self):
        path = shared("ticks/fxcm_eurusd_20140504_quote_ticks.csv.gz")
        at_once, one_by_one = (by_key(replay(path, price="mid", speed=speed)) for speed in ("max", "1e15"))
        assert at_once == one_by_one
        assert all(round(bar["close"], 6) == bar["close"] for bar in at_once.values())

    @pytest.mark.parametrize(("speed", "days"), [("2", "5.0"), ("1e-300", "over a million")])
    def test_a_replay_of_days_says_how_long_it_takes(self, recording, tmp_path, speed, days):
        later = tmp_path / "later.csv"
        later.write_text(f"ts_ns,price,size\n{(TEN + 10 * 86_400) * NS},1,1\n")
        process = TestAsAProcess().start(
            tmp_path, recording, later, "--symbol", SYMBOL, "--bars", "-", "--speed", speed
        )
        assert process.stderr.readline() == f"at this speed it takes {days} days\n"
        process.terminate()
        process.communicate(timeout=20)


class TestAsAProcess:
    """Where nothing was ever set up: no database, no server."""

    def run(self, tmp_path: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), "replay", *map(str, arguments)],
            env={**os.environ, "POCKETQUANT_VAR": str(tmp_path / "var")},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def test_stdout_is_data_and_stderr_words(self, recording, tmp_path):
        done = self.run(tmp_path, recording, "--symbol", SYMBOL, "--bars", "-")
        assert (done.returncode, done.stderr) == (0, "5 ticks\n")
        assert len(done.stdout.splitlines()) == 15
        assert all(json.loads(line)["symbol"] == SYMBOL for line in done.stdout.splitlines())

    def test_a_pipe_is_written_to_and_not_replaced(self, recording, tmp_path):
        done = self.run(tmp_path, recording, "--symbol", SYMBOL, "--bars", "/dev/stdout")
        assert (done.returncode, len(done.stdout.splitlines())) == (0, 15)

    def test_a_cut_file_fails_with_its_place(self, tmp_path):
        path = tmp_path / "cut.csv.gz"
        path.write_bytes(gzip.compress(b"ts_ns,price,size\n1,1,1\n")[:-4])
        done = self.run(tmp_path, path, "--symbol", SYMBOL, "--bars", "-")
        assert (done.returncode, done.stdout) == (1, "")
        assert "cut.csv.gz, line 3: damaged or cut short" in done.stderr

    def start(self, tmp_path: Path, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "replay", *map(str, arguments)],
            env={**os.environ, "POCKETQUANT_VAR": str(tmp_path / "var")},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            # A shell starts what it sends to the background with interrupts ignored, and the tests may be among that.
            preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGHUP)],
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("number", "code", "words"),
        [
            (signal.SIGINT, 130, "interrupted"),
            (signal.SIGTERM, 143, "ended by SIGTERM"),
            (signal.SIGHUP, 129, "ended by SIGHUP"),
        ],
    )
    def test_no_signal_leaves_half_of_a_file(self, recording, tmp_path, number, code, words):
        folder = tmp_path / "out"
        folder.mkdir()
        process = self.start(
            tmp_path, recording, "--symbol", SYMBOL, "--bars", folder / "bars", "--speed", "1"
        )  # fmt: skip
        wait_for(lambda: list(folder.iterdir()), 30, "it has begun")
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
        assert (process.returncode, list(folder.iterdir())) == (code, [])
        assert said.startswith(words)
        assert "Traceback" not in said, said

    @pytest.mark.parametrize(
        ("ending", "code", "said"),
        [
            ("--bars - >&-", 1, "CommandError: stdout is closed\n"),
            ("--bars /dev/stdout >&-", 1, "CommandError: stdout is closed\n"),
            ("--bars - >/dev/full", 1, "CommandError: stdout: No space left on device\n"),
            ("--bars - --speed 1e15 >/dev/full", 1, "CommandError: stdout: No space left on device\n"),
            ("--bars /dev/full", 1, "CommandError: /dev/full: No space left on device\n"),
            ("--bars - 2>&- | wc -l", 0, ""),
            ("--bars - 2>/dev/full", 0, ""),
            ("--bars nowhere/bars 2>&-", 2, ""),
            ("--bars - <&- >&- 2>&-", 1, ""),
        ],
    )
    def test_streams_that_are_closed_or_full(self, recording, tmp_path, ending, code, said):
        done = self.shell(tmp_path, f'"$1" "$2" replay "$3" --symbol {SYMBOL} {ending}', recording)
        assert (done.returncode, done.stderr) == (code, said)

    def test_pipes_are_read_as_files_are(self, recording, tmp_path):
        packed = tmp_path / "ticks.csv.gz"
        packed.write_bytes(gzip.compress(recording.read_bytes()))
        for path in (recording, packed):
            done = self.shell(tmp_path, f'cat "$3" | "$1" "$2" replay /dev/stdin --symbol {SYMBOL} --bars -', path)
            assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "5 ticks\n", 15)

    def test_a_database_that_was_never_set_up_is_said(self, recording, tmp_path):
        done = self.run(tmp_path, recording, "--symbol", SYMBOL)
        assert (done.returncode, done.stderr) == (
            1, "CommandError: the database is not set up: run `manage.py migrate` first\n"
        )  # fmt: skip

    def shell(self, tmp_path: Path, line: str, recording: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", line, "sh", sys.executable, str(ROOT / "manage.py"), str(recording)],
            env={**os.environ, "POCKETQUANT_VAR": str(tmp_path / "var")},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def test_a_reader_that_goes_away_ends_it_without_a_traceback(self, recording, tmp_path):
        lines = "".join(f"{(TEN + 60 * n) * NS},1,1\n" for n in range(20_000))
        recording.write_text("ts_ns,price,size\n" + lines)
        pipeline = '"$1" "$2" replay "$3" --symbol BINANCE:XRPETH --bars - | head -1'
        done = subprocess.run(
            ["sh", "-c", pipeline, "sh", sys.executable, str(ROOT / "manage.py"), str(recording)],
            env={**os.environ, "POCKETQUANT_VAR": str(tmp_path / "var")},
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert json.loads(done.stdout)["open"] == 1.0
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr


class TestIntoTheSystem:
    @pytest.mark.parametrize("speed", ["max", "1e12"])
    def test_closed_bars_are_stored_as_the_stream_stores_them(self, recording, mongo_database, redis_client, speed):
        symbol = registered(SYMBOL, streaming=False)
        words = io.StringIO()
        command(recording, speed=speed, words=words)
        repository = BarRepository(mongo_database)
        bars = repository.latest(symbol.instrument(), Interval.M1, 10)
        assert [(bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades) for bar in bars] == [
            (10.0, 12.0, 10.0, 11.0, 1.75, 3),
            (9.0, 9.0, 9.0, 9.0, 2.0, 1),
        ]
        assert {bar.state for bar in bars} == {BarState.PROVISIONAL}
        assert repository.latest(symbol.instrument(), Interval.M3, 10) == []
        assert "2 bars stored" in words.getvalue()

    def test_prices_below_zero_are_stored(self, recording, mongo_database, redis_client):
        symbol = registered(SYMBOL, streaming=False)
        recording.write_text(f"ts_ns,price,size\n{TEN * NS},-37.63,1\n{TEN * NS},0,1\n{(TEN + 60) * NS},-1,1\n")
        command(recording, speed="max")
        [bar] = BarRepository(mongo_database).latest(symbol.instrument(), Interval.M1, 10)
        assert (bar.open, bar.high, bar.low, bar.close) == (-37.63, 0.0, -37.63, 0.0)

    def test_all_bars_of_a_real_recording_arrive(self, mongo_database, redis_client):
        symbol = registered("MTGOX:BTCUSD", streaming=False)
        path = shared("ticks/mtgox_btcusd_20130101_trades.csv.gz")
        expected = json.loads(shared("expected/bars13_mtgox_btcusd_20130101.json").read_text())["bars"]
        command(path, symbol="MTGOX:BTCUSD", speed="max")
        repository = BarRepository(mongo_database)
        for interval in Interval:
            stored = repository.latest(symbol.instrument(), interval, 10_000)
            found = [(f"{bar.open_time:%Y-%m-%dT%H:%M:%SZ}", bar.open, bar.high, bar.low, bar.close) for bar in stored]
            closed = expected[interval.value][: len(found)]
            assert found == [(time, *map(float, prices)) for time, *prices, _, _ in closed]
            assert len(found) >= len(expected[interval.value]) - 1  # the last one is still forming

    def test_the_weeks_days_before_the_recording_come_from_the_store(self, tmp_path, mongo_database, redis_client):
        symbol = registered(SYMBOL, streaming=False)
        monday, tuesday, next_week = (int(datetime(2019, 10, day, tzinfo=UTC).timestamp()) for day in (7, 8, 14))
        for name, seconds, price in (("a", monday, 5), ("b", tuesday, 6), ("c", next_week, 7)):
            rows = [f"{(seconds + minute * 60) * NS},{price + minute % 3},1" for minute in range(1_441)]
            (tmp_path / name).write_text("\n".join(["ts_ns,price,size", *rows, ""]))
        command(tmp_path / "a", speed="max")
        command(tmp_path / "b", tmp_path / "c", speed="max")
        [week] = BarRepository(mongo_database).latest(symbol.instrument(), Interval.W1, 10)
        assert (week.open_time.day, week.high) == (7, 8.0)
        assert week.partial  # the recordings may have begun within a minute

    def test_an_unregistered_symbol_cannot_be_stored(self, recording):
        with pytest.raises(CommandError, match="symbols add") as raised:
            command(recording)
        assert raised.value.returncode == 1


class TestOnPages:
    async def test_a_page_sees_forming_and_closed_bars_and_that_it_is_a_recording(
        self, recording, hub: Hub, mongo_database
    ):
        from quotes.player import Player

        symbol = await sync_to_async(registered)(SYMBOL, streaming=False)
        instrument = await sync_to_async(symbol.instrument)()
        async with a_browser() as browser:
            await browser.subscribe(SYMBOL)
            await browser.of_type("snapshot")
            player = Player(instrument, load([recording]), speed=60, is_shown=True)
            playing = asyncio.create_task(player.run(lambda ticks: None))
            status = await browser.of_type("status")
            assert (status["state"], status["reason"]) == ("delayed", "a recording is played")
            assert status["delay_seconds"] > 5 * 365 * 86_400
            forming = await browser.until(lambda message: message.get("state") == "forming")
            assert forming["bar"]["open_time"] == "2019-10-11T10:00:00Z"
            closed = await browser.until(
                lambda message: message.get("state") == "closed" and message.get("interval") == "1m"
            )
            assert (closed["bar"]["high"], closed["bar"]["trades"]) == (12.0, 3)
            ended = await browser.until(lambda message: message.get("state") == "offline")
            assert ended["reason"] == "the recording has ended"
            played = await playing
        assert (played.ticks, played.bars, played.out_of_session) == (5, 2, 0)

    async def test_a_symbol_that_is_followed_live_is_not_drawn_over(self, recording, hub: Hub, mongo_database):
        from quotes.player import Player

        symbol = await sync_to_async(registered)(SYMBOL)
        instrument = await sync_to_async(symbol.instrument)()
        async with a_browser() as browser:
            await browser.subscribe(SYMBOL)
            await browser.of_type("snapshot")
            await Player(instrument, load([recording]), speed=math.inf, is_shown=False).run(lambda ticks: None)
            message = await browser.until(lambda message: message["type"] not in ("heartbeat", "status", "snapshot"))
            assert (message["type"], message["interval"]) == ("history", "1m")
            assert (message["first"], message["last"]) == ("2019-10-11T10:00:00Z", "2019-10-11T10:01:00Z")


@pytest.mark.parametrize("speed", [None, 1e9])
@pytest.mark.django_db
def test_times_that_look_like_milliseconds_are_doubted_aloud(tmp_path: Path, speed: float | None) -> None:
    path, out, words = tmp_path / "ticks.csv", io.StringIO(), io.StringIO()
    path.write_text("ts_ns,price,size\n1356998659486,10,1\n")
    command(path, out=out, words=words, bars="-", speed=speed)
    assert (
        "ticks.csv, line 2: a tick of 1970-01-01 00:22: are the times in ts_ns really nanoseconds?" in words.getvalue()
    )
    assert out.getvalue().count("\n") == 13

"""The whole live path: the demo market, a streamer in a process of its own, MongoDB and Valkey. Time runs fast."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from domain.bar import Bar, BarState
from domain.errors import SeriesBusy
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.services import sync_latest
from pocketquant.embedded.mongod import Mongod
from pocketquant.embedded.paths import mongodb_uri, redis_url, run_dir
from pocketquant.embedded.sockets import wait_until_ready
from pocketquant.embedded.valkey import Valkey
from providers import get_provider
from tests.quotes.running import ROOT, FastClock, RunningStreamer, wait_for

SPEED = 30.0  # a minute in 2 s
BTC, ETH = "DEMO:BTCUSD", "DEMO:ETHUSD"
StartStreamer = Callable[..., RunningStreamer]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database in which two symbols of the demo market are to be streamed."""
    folder = tmp_path_factory.mktemp("registry")
    path = folder / "pocketquant.sqlite3"
    environment = {**os.environ, "POCKETQUANT_VAR": str(folder), "DATABASE_URL": f"sqlite:///{path}"}
    code = (
        "import django; django.setup()\n"
        "from django.core.management import call_command; call_command('migrate', verbosity=0)\n"
        "from providers.demo import demo_instruments; from symbols.services import add_symbols\n"
        f"add_symbols([one for one in demo_instruments() if one.symbol in ({BTC!r}, {ETH!r})])\n"
    )
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True)
    return path


@pytest.fixture
def clock() -> FastClock:
    return FastClock.now(SPEED)


@pytest.fixture
def market(start_demo_market: Any, clock: FastClock) -> Any:
    return start_demo_market(clock=clock, always_open=True)


@pytest.fixture
def start_streamer(registry: Path, market: Any, clock: FastClock, tmp_path: Path) -> Iterator[StartStreamer]:
    running: list[RunningStreamer] = []

    def start(mongodb: str | None = None, redis: str | None = None) -> RunningStreamer:
        streamer = RunningStreamer(
            tmp_path / "streamer", registry, demo_url=market.url, clock=clock,
            mongodb_uri=mongodb or settings.MONGODB_URI, redis_url=redis or settings.REDIS_URL,
        )  # fmt: skip
        running.append(streamer)
        streamer.start()
        return streamer

    yield start
    for streamer in running:
        streamer.close()


@pytest.fixture
def instruments(registry: Path) -> dict[str, Instrument]:
    from providers.demo import demo_instruments

    known = {one.symbol: one for one in demo_instruments()}
    return {code: replace(known[code], id=number) for number, code in enumerate((BTC, ETH), start=1)}


def truth(market: Any, instrument: Instrument, interval: Interval, first: datetime, last: datetime) -> list[Bar]:
    """What the market itself says of the bars that open in ``[first, last]``."""
    end = last + timedelta(seconds=interval.seconds or 0)
    return list(market.market.bars(instrument.symbol, interval, first, end, datetime.now(UTC) + timedelta(hours=1)))


def values(bar: Bar) -> tuple[Any, ...]:
    return bar.open_time, bar.open, bar.high, bar.low, bar.close, bar.volume


def assert_true_and_whole(market: Any, instrument: Instrument, interval: Interval, stored: list[Bar]) -> None:
    """Every bar from the first to the last stored one is there once, and equals the market's to the bit."""
    expected = truth(market, instrument, interval, stored[0].open_time, stored[-1].open_time)
    assert [values(bar) for bar in stored] == [values(bar) for bar in expected]


def whole_minutes(streamer: RunningStreamer, instrument: Instrument) -> list[Bar]:
    """Stored minutes, once none of them is partial."""
    stored = streamer.stored(instrument, Interval.M1)
    return [] if any(bar.partial for bar in stored) else stored


def play_the_worker(market: Any, clock: FastClock, streamer: RunningStreamer, instrument: Instrument) -> None:
    """What the queue's sync of this series does."""
    provider = get_provider("demo", url=market.url, clock=clock.ns)
    now = datetime.fromtimestamp(clock(), UTC)

    def synced(interval: Interval) -> bool:
        try:
            sync_latest(
                instrument=instrument, interval=interval, now=now, provider=provider, database=streamer.database
            )
        except SeriesBusy:  # a writer that was killed may hold the series until MongoDB ends its transaction
            return False
        return True

    for interval in (Interval.M1, Interval.M3):
        wait_for(lambda interval=interval: synced(interval), 25, f"a sync of {interval}")
    provider.close()  # type: ignore[attr-defined]  # not part of every provider


def test_every_stored_bar_equals_the_markets_through_a_stop_and_a_restart(
    market: Any, start_streamer: StartStreamer, clock: FastClock, instruments: dict[str, Instrument]
) -> None:
    streamer = start_streamer()
    btc, eth = instruments[BTC], instruments[ETH]
    wait_for(lambda: len(whole_minutes(streamer, btc)) >= 3, 30, "three whole minutes")

    assert streamer.stored(btc, Interval.M1)[0].state is BarState.FINAL  # heard in part, replaced by history
    assert streamer.stop(signal.SIGTERM) < 10
    assert json.loads((streamer.folder / "streamer" / "checkpoint.json").read_bytes())["version"] == 2
    before = streamer.stored(btc, Interval.M1)

    streamer.start()
    wait_for(lambda: len(whole_minutes(streamer, btc)) >= len(before) + 2, 30, "two more whole minutes")
    streamer.stop(signal.SIGTERM)
    assert '"event": "restored"' in streamer.said()
    for instrument in (btc, eth):
        play_the_worker(market, clock, streamer, instrument)  # minutes that passed between stop and start
        for interval in (Interval.M1, Interval.M3):
            stored = [bar for bar in streamer.stored(instrument, interval) if bar.open_time >= before[0].open_time]
            # One of the two may have begun a minute later.
            assert len(stored) >= (4 if interval is Interval.M1 else 1)
            assert_true_and_whole(market, instrument, interval, stored)


def test_volume_that_passed_across_a_restart_is_known_and_recorded(
    market: Any, start_streamer: StartStreamer, clock: FastClock, instruments: dict[str, Instrument]
) -> None:
    streamer = start_streamer()
    wait_for(lambda: whole_minutes(streamer, instruments[BTC]), 30, "a whole minute")
    streamer.stop(signal.SIGTERM)
    checkpoint = json.loads((streamer.folder / "streamer" / "checkpoint.json").read_bytes())
    [left] = [one for one in checkpoint["baselines"]["demo"] if one["symbol"] == BTC]

    streamer.start()
    missed = wait_for(lambda: streamer.events("gap_volume", BTC), 15, "the volume of the gap")
    gap = wait_for(lambda: streamer.events("gap", BTC), 15, "the gap")
    assert len(missed) == len(gap) == 1
    listing, unit = market.market.listing(BTC), left["lots_per_unit"]
    tape = itertools.takewhile(
        lambda one: one.time_ms < clock() * 1_000, market.market.prints(listing, int(left["second"] - 60) * 1_000)
    )
    running = {round(listing.volume(one.volume) * unit) for one in tape}  # the day's volume, trade by trade
    lots = round(missed[0]["volume"] * unit)
    assert lots > 0
    assert left["lots"] in running
    assert {left["lots"] + lots, lots} & running  # the latter where the gap holds the end of the day


def test_after_a_kill_nothing_stored_is_lost_or_doubled_and_history_fills_the_rest(
    market: Any, start_streamer: StartStreamer, clock: FastClock, instruments: dict[str, Instrument]
) -> None:
    streamer = start_streamer()
    btc = instruments[BTC]
    wait_for(lambda: len(whole_minutes(streamer, btc)) >= 2, 30, "two whole minutes")
    before = streamer.stored(btc, Interval.M1)
    streamer.stop(signal.SIGKILL)

    streamer.start()
    wait_for(lambda: streamer.stored(btc, Interval.M1)[-1].open_time > before[-1].open_time + timedelta(minutes=1), 30,
             "a minute after the kill")  # fmt: skip
    streamer.stop(signal.SIGTERM)
    play_the_worker(market, clock, streamer, btc)
    stored = [bar for bar in streamer.stored(btc, Interval.M1) if bar.open_time >= before[0].open_time]
    assert {bar.open_time for bar in before} <= {bar.open_time for bar in stored}
    assert_true_and_whole(market, btc, Interval.M1, stored)


def test_bars_that_close_while_the_store_is_down_are_there_when_it_is_back(
    market: Any,
    start_streamer: StartStreamer,
    tmp_path_factory: pytest.TempPathFactory,
    instruments: dict[str, Instrument],
) -> None:
    folder = tmp_path_factory.mktemp("store")
    run = run_dir(folder)
    mongod = Mongod(data=folder / "mongodb", run=run, log=folder / "mongod.log")
    mongod.start()
    try:
        wait_until_ready(mongod)
        streamer = start_streamer(mongodb=mongodb_uri(folder))
        btc = instruments[BTC]
        wait_for(lambda: len(whole_minutes(streamer, btc)) >= 1, 30, "a whole minute")
        before = streamer.stored(btc, Interval.M1)
        mongod.stop()
        wait_for(lambda: "bars_not_saved" in streamer.said(), 30, "bars that wait for the store")
        mongod.start()
        wait_until_ready(mongod)
        wait_for(lambda: len(whole_minutes(streamer, btc)) >= len(before) + 3, 30, "all minutes since")
        assert streamer.stop() < 10
        assert_true_and_whole(market, btc, Interval.M1, streamer.stored(btc, Interval.M1))
        streamer.close()
    finally:
        mongod.stop()


def test_bars_that_a_stop_could_not_save_are_saved_by_the_next_start(
    market: Any,
    start_streamer: StartStreamer,
    tmp_path_factory: pytest.TempPathFactory,
    instruments: dict[str, Instrument],
) -> None:
    folder = tmp_path_factory.mktemp("store")
    mongod = Mongod(data=folder / "mongodb", run=run_dir(folder), log=folder / "mongod.log")
    mongod.start()
    try:
        wait_until_ready(mongod)
        streamer = start_streamer(mongodb=mongodb_uri(folder))
        btc = instruments[BTC]
        wait_for(lambda: len(whole_minutes(streamer, btc)) >= 1, 30, "a whole minute")
        mongod.stop()
        wait_for(lambda: "bars_not_saved" in streamer.said(), 30, "bars that wait for the store")
        assert streamer.stop() < 10
        left = json.loads((streamer.folder / "streamer" / "checkpoint.json").read_bytes())["unsaved"]
        minutes = {(bar["symbol"], bar["open_time"]) for bar in left if bar["interval"] == "1m"}
        assert minutes  # of one of the two, whose minute may have closed before the other's
        mongod.start()
        wait_until_ready(mongod)
        streamer.start()
        wait_for(
            lambda: minutes <= {
                (code, bar.open_time.isoformat())
                for code, instrument in instruments.items()
                for bar in streamer.stored(instrument, Interval.M1)
            },
            12, "what the stop left",
        )  # fmt: skip
        streamer.close()
    finally:
        mongod.stop()


def test_closed_bars_go_on_while_redis_is_away_and_live_state_returns_with_it(
    market: Any,
    start_streamer: StartStreamer,
    tmp_path_factory: pytest.TempPathFactory,
    instruments: dict[str, Instrument],
) -> None:
    from redis import Redis

    folder = tmp_path_factory.mktemp("redis")
    valkey = Valkey(run=run_dir(folder), log=folder / "valkey.log")
    valkey.start()
    try:
        wait_until_ready(valkey)
        streamer = start_streamer(redis=redis_url(folder))
        btc = instruments[BTC]
        wait_for(lambda: len(whole_minutes(streamer, btc)) >= 1, 30, "a whole minute")
        valkey.stop()
        count = len(streamer.stored(btc, Interval.M1))
        wait_for(lambda: len(streamer.stored(btc, Interval.M1)) >= count + 2, 30, "minutes without Redis")
        valkey.start()
        wait_until_ready(valkey)
        with Redis.from_url(redis_url(folder)) as client:
            wait_for(lambda: client.exists(f"quote:{BTC}") and client.hget(f"state:{BTC}", "status"), 20, "live state")
        streamer.close()
    finally:
        valkey.stop()


def test_a_symbol_is_followed_within_a_second_of_being_wanted_and_dropped_as_fast(
    market: Any, start_streamer: StartStreamer, redis_client: Any
) -> None:
    streamer = start_streamer()
    wait_for(lambda: redis_client.exists(f"quote:{ETH}"), 30, "a quote")
    code = (
        "import django; django.setup()\nfrom symbols.models import Symbol\n"
        f"one = Symbol.objects.get(code={ETH!r}); one.streaming = {{}}; one.save()"
    )
    streamer.python(code.format(False))
    wait_for(lambda: not redis_client.exists(f"quote:{ETH}"), 2, "it is dropped")
    streamer.python(code.format(True))
    wait_for(lambda: redis_client.exists(f"quote:{ETH}"), 2, "it is followed again")


def test_a_provider_that_is_away_is_shown_with_its_reason_and_disturbs_nobody(
    market: Any, start_streamer: StartStreamer, redis_client: Any, instruments: dict[str, Instrument]
) -> None:
    streamer = start_streamer()
    streamer.python(
        "import django; django.setup()\nfrom symbols.models import *\n"
        "venue, _ = Exchange.objects.get_or_create(code='NASDAQ', defaults={'calendar': '24/7'})\n"
        "Symbol.objects.create(exchange=venue, ticker='AAPL', code='NASDAQ:AAPL', provider_code='NASDAQ:AAPL')"
    )

    def status() -> Any:
        found = redis_client.hget("state:NASDAQ:AAPL", "status")
        return json.loads(found) if found else None

    wait_for(lambda: (status() or {}).get("reason", "connecting") != "connecting", 12, "the reason")
    assert status()["state"] in ("reconnecting", "offline")
    wait_for(lambda: len(whole_minutes(streamer, instruments[BTC])) >= 2, 30, "whole minutes of the other")


class TestInRealTime:
    """What is promised in seconds of a wall clock."""

    @pytest.fixture
    def clock(self) -> FastClock:
        return FastClock.now(1.0)

    def test_a_feed_that_stalls_while_its_socket_lives_is_not_shown_as_live_after_15_s(
        self, market: Any, start_streamer: StartStreamer, redis_client: Any
    ) -> None:
        start_streamer()

        def state() -> Any:
            found = redis_client.hget(f"state:{BTC}", "status")
            return json.loads(found)["state"] if found else None

        wait_for(lambda: state() == "live", 30, "live")
        market.faults.stall = True
        wait_for(lambda: state() not in ("live", "quiet"), 15, "that it is stale")
        assert state() in ("stale", "reconnecting")
        market.faults.stall = False
        wait_for(lambda: state() == "live", 30, "live again")

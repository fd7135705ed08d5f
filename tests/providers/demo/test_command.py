"""manage.py demo_market, as a process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.providers.demo.dialogue import Caller, chart_calls, quote_calls

ROOT = Path(__file__).resolve().parents[3]


def command(*options: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), "demo_market", *options]


@pytest.fixture
def start_command() -> Iterator:
    """Start the command and wait until it tells its URL; killed after the test if it still runs."""
    running: list[subprocess.Popen] = []

    def start(*options: str) -> tuple[subprocess.Popen, str]:
        process = subprocess.Popen(command(*options), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        running.append(process)
        line = process.stdout.readline()
        found = re.search(r"ws://[^ ]+", line)
        assert found, line + process.stdout.read()
        return process, found[0]

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def test_it_tells_its_url_serves_and_ends_within_two_seconds_of_sigterm(start_command):
    process, url = start_command("--port", "0", "--symbols", "3", "--rate", "5", "--always-open")
    with Caller(url) as caller:
        caller.say(*quote_calls("DEMO:BTCUSD", "DEMO:SYN0003"))
        caller.until(lambda message: message.get("m") == "quote_completed" and message["p"][1] == "DEMO:SYN0003")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 5  # half a second on an idle machine; the promise is ten


def test_a_taken_port_is_named_with_the_way_out(start_command):
    _, url = start_command("--port", "0")
    port = re.search(r":(\d+)/", url)[1]
    done = subprocess.run(command("--port", port), capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert f"port {port} is taken" in done.stderr
    assert "--port 0" in done.stderr


@pytest.mark.parametrize(
    "options",
    [("--port", "70000"), ("--speed", "0"), ("--symbols", "-1"), ("--rate", "x"), ("--conflate", "0"), ("--seed", "a")],
)
def test_options_out_of_range_are_refused(options):
    done = subprocess.run(command(*options), capture_output=True, text=True, timeout=30, env={**os.environ})
    assert done.returncode == 2
    assert options[0] in done.stderr


def test_a_faster_clock_moves_the_market_faster(start_command):
    _, url = start_command("--port", "0", "--speed", "60")
    with Caller(url) as caller:
        caller.say(*quote_calls("DEMO:BTCUSD", fields=("lp_time",)))
        times = [message["p"][1]["v"]["lp_time"] for message in caller.messages(3) if message.get("m") == "qsd"]
    assert times[-1] - times[0] > 60


def test_a_load_under_way_does_not_hold_up_the_end(start_command):
    process, url = start_command("--port", "0")
    with Caller(url) as caller:
        for number, symbol in enumerate(("DEMO:AAPL", "DEMO:MSFT", "DEMO:NVDA", "DEMO:7203", "DEMO:VOD")):
            caller.say(*chart_calls(symbol, "240", 5_000, session=f"cs_{number}"))
        caller.until_called("series_loading")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 5  # half a second on an idle machine; the promise is ten

"""manage.py demo_market, as a process."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.providers.demo.dialogue import Caller, chart_calls, quote_calls

ROOT = Path(__file__).resolve().parents[3]


def command(*options: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), "demo_market", *options]


@pytest.fixture
def start_command() -> Iterator:
    """Start the command and wait until it tells its URL; killed after the test if it still runs."""
    running: list[subprocess.Popen] = []

    def start(*options: str, environment: dict[str, str] | None = None) -> tuple[subprocess.Popen, str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        process = subprocess.Popen(command(*options), env=environment, **pipes)
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


def test_it_tells_its_url_serves_and_ends_in_time_after_sigterm(start_command):
    process, url = start_command("--port", "0", "--symbols", "3", "--rate", "5", "--always-open")
    with Caller(url) as caller:
        caller.say(*quote_calls("DEMO:BTCUSD", "DEMO:SYN0003"))
        caller.until(lambda message: message.get("m") == "quote_completed" and message["p"][1] == "DEMO:SYN0003")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_taken_port_is_named_with_the_way_out():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = subprocess.run(command("--port", str(port)), capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert f"port {port} is taken" in done.stderr
    assert "--port 0" in done.stderr


@pytest.mark.parametrize(
    "options",
    [("--port", "70000"), ("--speed", "0"), ("--symbols", "-1"), ("--rate", "x"), ("--conflate", "0"), ("--seed", "a")],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(CommandError, match=f"argument {options[0]}: .*{re.escape(options[1])}"):
        call_command("demo_market", *options)


def test_a_faster_clock_moves_the_market_faster(start_command):
    _, url = start_command("--port", "0", "--speed", "60")
    with Caller(url) as caller:
        caller.say(*quote_calls("DEMO:BTCUSD", fields=("lp_time",)))
        began, first = time.monotonic(), _price_time(caller.until_called("qsd")[-1])
        caller.until(lambda message: message.get("m") == "qsd" and _price_time(message) > first + 30)
        assert time.monotonic() - began < 15


def _price_time(message: dict) -> int:
    return message["p"][1]["v"]["lp_time"]


@pytest.fixture
def endless_calendars(tmp_path) -> dict[str, str]:
    """An environment where whoever asks for an exchange's calendar waits for ever."""
    library = tmp_path / "exchange_calendars"
    library.mkdir()
    (library / "__init__.py").write_text("import threading\n\nthreading.Event().wait()\n")
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def test_work_that_never_ends_does_not_hold_up_the_end(start_command, endless_calendars):
    process, url = start_command("--port", "0", environment=endless_calendars)
    page = url.replace("ws://", "http://").replace("/socket.io/websocket", "/symbol?symbol=DEMO:AAPL&fields=lp")
    with Caller(url) as caller, ThreadPoolExecutor(1) as pool:
        caller.say(*chart_calls("DEMO:AAPL", "240", 5_000), *quote_calls("DEMO:AAPL"))
        caller.until_called("series_loading")
        asked = pool.submit(urllib.request.urlopen, page, timeout=30)
        caller.say(*chart_calls("DEMO:BTCUSD", "1", 5, session="cs_2"))
        caller.until_called("series_completed")  # whose calendar is at hand
        assert not asked.done()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert isinstance(asked.exception(10), OSError)

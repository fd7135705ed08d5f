"""The live socket behind a real daphne: frames made once and written straight to the transport."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError
from websockets.frames import CloseCode

from quotes.outlet import AsgiOutlet, Message, outlet_for
from tests.quotes.live import BTC, a_bar, a_publisher
from tests.quotes.running import ROOT, wait_for
from tests.quotes.test_streaming import registry

__all__ = ["registry"]  # a fixture


@pytest.fixture
def url(registry: Path, redis_client: Any, settings: Any, tmp_path: Path) -> Iterator[str]:
    """A daphne that knows the symbols of ``registry`` and shares our Redis."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shutil.copy(registry, tmp_path / "db.sqlite3")
    environment = {
        **os.environ,
        "POCKETQUANT_VAR": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "REDIS_URL": settings.REDIS_URL,
    }
    command = [
        sys.executable,
        "-m",
        "daphne",
        "-b",
        "127.0.0.1",
        "-p",
        str(port),
        "tests.quotes.daphne_app:application",
    ]
    with (tmp_path / "daphne.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        wait_for(lambda: _listens(port), 15, "daphne listens")
        yield f"ws://127.0.0.1:{port}/ws/live/"
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def subscribed(url: str, stack: list[ClientConnection]) -> ClientConnection:
    browser = await connect(url)
    stack.append(browser)
    await browser.send(orjson.dumps({"type": "subscribe", "symbols": [BTC], "intervals": ["1m"]}).decode())
    assert orjson.loads(await browser.recv())["type"] == "snapshot"
    return browser


async def test_every_browser_gets_every_closed_bar_in_order(url: str) -> None:
    """Frames of 126 bytes and more, in batches and alone, to clients that read late and early."""
    browsers: list[ClientConnection] = []
    async with a_publisher() as publisher:
        early, late = await subscribed(url, browsers), await subscribed(url, browsers)
        for minute in range(150):
            publisher.bar(a_bar(minute), amended=False)
            if minute % 10 == 0:
                await publisher.flush()
        await publisher.flush()
        async with asyncio.timeout(10):
            for browser in (early, late):
                got = [orjson.loads(await browser.recv()) for _ in range(150)]
                assert [one["seq"] for one in got] == list(range(1, 151))
        for browser in browsers:
            await browser.close()


async def test_a_client_that_reads_nothing_and_acknowledges_nothing_gets_its_budget_and_is_closed(url: str) -> None:
    browsers: list[ClientConnection] = []
    async with a_publisher() as publisher:
        browser = await subscribed(url, browsers)
        for minute in range(1_000):
            publisher.bar(a_bar(minute), amended=False)
        await publisher.flush()
        received = 1
        async with asyncio.timeout(15):
            with contextlib.suppress(ConnectionClosedError):
                while await browser.recv():
                    received += 1
        assert (received, browser.close_code) == (200, 4408)


async def test_a_message_without_end_is_refused_before_it_is_gathered(url: str) -> None:
    browser = await subscribed(url, [])
    with contextlib.suppress(ConnectionClosedError):
        await browser.send("x" * 10_000_000)
    async with asyncio.timeout(5):
        await browser.wait_closed()
    assert browser.close_code == CloseCode.ABNORMAL_CLOSURE  # dropped, not even told


@pytest.mark.parametrize(("size", "header"), [(5, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)])
def test_a_frame_says_its_length_as_the_protocol_wants(size: int, header: int) -> None:
    frame = Message(b"x" * size).frame
    assert len(frame) == header + size
    assert frame[0] == 0x81
    assert frame[1] == (size if header == 2 else 126 if header == 4 else 127)
    assert header == 2 or int.from_bytes(frame[2:header], "big") == size


async def test_any_other_server_gets_messages_the_usual_way() -> None:
    sent: list[str] = []

    async def send(event: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        sent.append(event["text"])

    outlet = outlet_for(send)
    assert isinstance(outlet, AsgiOutlet)
    for text in (b"one", b"two"):
        outlet.put(Message(text))
    await outlet.drain()
    outlet.close()
    assert sent == ["one", "two"]

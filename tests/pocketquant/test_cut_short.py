"""An answer that fails in the middle, behind a real daphne: the client learns of it, and the server goes on."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPLICATION = """
from pocketquant.cut_short import CutShort

async def application(scope, receive, send):
    if scope["path"] == "/early":
        raise ValueError("before it began")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    if scope["path"] == "/late":
        raise ValueError("in the middle")
    await send({"type": "http.response.body", "body": b" and last"})

application = CutShort(application)
"""


@pytest.fixture
def port(tmp_path):
    (tmp_path / "toy_application.py").write_text(APPLICATION)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "toy_application:application"]
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield port
    server.terminate()
    server.wait(timeout=15)


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_client_sees_the_connection_break_and_never_an_end(port):
    for _ in range(3):
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            get(port, "/late")
    assert get(port, "/whole") == (200, b"first and last")


def test_what_fails_before_it_began_is_still_an_error_page(port):
    """After one that failed in the middle: daphne's loop that makes these pages must have survived it."""
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        get(port, "/late")
    assert get(port, "/early")[0] == 500

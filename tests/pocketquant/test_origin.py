"""Which pages may open a socket."""

from __future__ import annotations

import pytest
from channels.testing import WebsocketCommunicator

from pocketquant.origin import SameOrigin, is_same_origin


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://localhost:8001", "localhost:8001"),
        ("http://localhost", "localhost"),
        ("http://localhost:80", "localhost"),
        ("https://localhost", "localhost:443"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://LOCALHOST:8000", "localhost:8000"),
    ],
)
def test_our_own_pages_may(origin, host):
    assert is_same_origin(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("", "127.0.0.1:8000"),
        ("null", "127.0.0.1:8000"),
        ("http://evil.example", "127.0.0.1:8000"),
        ("http://127.0.0.1:9000", "127.0.0.1:8000"),  # another program on this machine
        ("http://localhost:8000", "127.0.0.1:8000"),
        ("http://evil.example:8000", "evil.example:8000"),  # a foreign name that points here
        ("http://127.0.0.1.evil.example:8000", "127.0.0.1:8000"),
        ("http://127.0.0.1:8000@evil.example", "127.0.0.1:8000"),
        ("file://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://127.0.0.1:notaport", "127.0.0.1:notaport"),
        ("http://[::1", "[::1"),
    ],
)
def test_others_may_not(origin, host):
    assert not is_same_origin(origin, host)


async def echo(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "in"})


def communicator(*headers):
    return WebsocketCommunicator(SameOrigin(echo), "/ws/live/", headers=list(headers))


async def test_a_socket_of_ours_is_passed_on():
    ours = communicator((b"origin", b"http://127.0.0.1:8000"), (b"host", b"127.0.0.1:8000"))
    assert await ours.connect() == (True, None)
    assert await ours.receive_from() == "in"


async def test_a_foreign_socket_is_told_why_it_is_closed():
    foreign = communicator((b"origin", b"http://evil.example"), (b"host", b"127.0.0.1:8000"))
    assert (await foreign.connect())[0]
    assert (await foreign.receive_output())["code"] == 4403


async def test_two_origins_are_none():
    ours = (b"origin", b"http://127.0.0.1:8000")
    twice = communicator(ours, ours, (b"host", b"127.0.0.1:8000"))
    await twice.connect()
    assert (await twice.receive_output())["code"] == 4403

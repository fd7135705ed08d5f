"""The servers that ``benchmarks.fanout`` drives, each in a process of its own.

``hub`` and ``layer`` are ASGI applications for daphne; run as a module it is the limit: frames made once, written to
bare asyncio transports, and nothing else.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import sys
from typing import Any

GROUP = "fanout"
CHANNEL = "fanout-limit"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class _SignedIn:
    is_authenticated = True
    is_active = True


def _application(kind: str) -> Any:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pocketquant.settings")
    import django

    django.setup()
    from channels.generic.websocket import AsyncWebsocketConsumer
    from channels.routing import URLRouter
    from django.urls import path

    class LayerConsumer(AsyncWebsocketConsumer):
        """The usual way: each client a subscription of the channel layer."""

        async def connect(self) -> None:
            await self.channel_layer.group_add(GROUP, self.channel_name)
            await self.accept()

        async def live(self, event: dict[str, Any]) -> None:
            await self.send(text_data=event["t"])

        async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
            """Acknowledgements mean nothing here."""

    if kind == "layer":
        routes = URLRouter([path("ws/live/", LayerConsumer.as_asgi())])
    else:
        from quotes.routing import websocket_urlpatterns

        routes = URLRouter(websocket_urlpatterns)

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await routes({**scope, "user": _SignedIn()}, receive, send)  # how people sign in is not measured here

    return application


def __getattr__(name: str) -> Any:
    """``daphne benchmarks.fanout_servers:hub`` makes only the application that it names."""
    if name in ("hub", "layer"):
        return _application(name)
    raise AttributeError(name)


class _Client(asyncio.Protocol):
    """A WebSocket client of the limit: shaken hands with, then only written to."""

    everyone: set[_Client] = set()  # noqa: RUF012 - one server a process

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self in self.everyone or b"\r\n\r\n" not in data:
            return
        key = next(
            line.split(b":")[1].strip() for line in data.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324 - the protocol's
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self.everyone.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.everyone.discard(self)


async def _serve_limit(port: int, redis_url: str) -> None:
    import redis.asyncio

    from quotes.outlet import Message

    loop = asyncio.get_running_loop()
    await loop.create_server(_Client, "127.0.0.1", port, backlog=1_024)
    async with redis.asyncio.Redis.from_url(redis_url, socket_timeout=None) as client:
        pubsub = client.pubsub()
        await pubsub.subscribe(CHANNEL)
        print("listening", flush=True)
        async for message in pubsub.listen():
            if message["type"] == "message":
                frame = Message(message["data"]).frame
                for one in _Client.everyone:
                    one.transport.write(frame)


if __name__ == "__main__":
    asyncio.run(_serve_limit(int(sys.argv[1]), sys.argv[2]))

"""Only our own pages may open a WebSocket: a browser sends cookies along with a socket opened by any page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import validate_host

Scope = dict[str, Any]
Application = Callable[
    [Scope, Callable[[], Awaitable[Any]], Callable[[dict[str, Any]], Awaitable[None]]], Awaitable[None]
]
WRONG_ORIGIN = 4403
_DEFAULT_PORTS = {"http": 80, "https": 443}


class SameOrigin:
    """Passes a socket on if its Origin is the host it was opened at, and closes it with 4403 otherwise.

    The socket is accepted first: a browser cannot tell why a handshake was refused.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(
        self, scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[dict[str, Any]], Awaitable[None]]
    ) -> None:
        if is_same_origin(_header(scope, b"origin"), _header(scope, b"host")):
            await self.application(scope, receive, send)
            return
        await receive()  # websocket.connect
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": WRONG_ORIGIN, "reason": "origin"})


def is_same_origin(origin: str, host: str) -> bool:
    """True if both name one host and port, and one of ours.

    The host is checked too: with a name that its owner points at this machine, both would agree. Without an Origin
    the answer is no: scripts must send one, ``http://127.0.0.1:8000`` for instance.
    """
    try:
        parts = urlsplit(origin)
        ours = urlsplit(f"//{host}")
        default = _DEFAULT_PORTS[parts.scheme]
        return (
            parts.hostname is not None
            and (parts.hostname, parts.port or default) == (ours.hostname, ours.port or default)
            and validate_host(_bare(parts.hostname), settings.ALLOWED_HOSTS)
        )
    except (KeyError, ValueError):  # no scheme of ours, or a port that is none
        return False


def _bare(hostname: str) -> str:
    return f"[{hostname}]" if ":" in hostname else hostname


def _header(scope: Scope, name: bytes) -> str:
    values = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else ""

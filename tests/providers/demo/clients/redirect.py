"""Sends every connection to tradingview.com to a local port; what the client library does stays as it is.

Imported first by the scripts beside it, which run in a process of their own.
"""

import asyncio
import os
import socket

_PORT = int(os.environ["DEMO_PORT"])
_LOCAL = "127.0.0.1"
_resolve = socket.getaddrinfo
_connect = asyncio.BaseEventLoop.create_connection


def _resolve_here(host, port, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    if name and name.endswith("tradingview.com"):
        return _resolve(_LOCAL, _PORT, *args, **kwargs)
    return _resolve(host, port, *args, **kwargs)


async def _connect_here(self, factory, host=None, port=None, **kwargs):
    # anyio resolves first, then connects to the address it got with the port that it had in mind.
    return await _connect(self, factory, host, _PORT if (host, port) == (_LOCAL, 443) else port, **kwargs)


socket.getaddrinfo = _resolve_here
asyncio.BaseEventLoop.create_connection = _connect_here

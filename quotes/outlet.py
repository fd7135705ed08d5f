"""The last step to a client's socket. The same frame for everybody is made once, not once a client."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

_MOST_INCOMING_BYTES = 64 * 1024  # what a client says is far shorter; see requests.MOST_BYTES

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Message:
    """A ready message: JSON bytes, what it is about, and whether a newer one may take its place (``key``)."""

    __slots__ = ("_frame", "key", "payload", "symbol")

    def __init__(self, payload: bytes, symbol: str = "", key: tuple[str, str] | None = None) -> None:
        self.payload, self.symbol, self.key = payload, symbol, key
        self._frame: bytes | None = None

    @property
    def frame(self) -> bytes:
        """The message as one unmasked WebSocket text frame (RFC 6455 §5.2)."""
        if self._frame is None:
            size = len(self.payload)
            if size < 126:
                header = bytes((0x81, size))
            elif size < 1 << 16:
                header = b"\x81\x7e" + size.to_bytes(2, "big")
            else:
                header = b"\x81\x7f" + size.to_bytes(8, "big")
            self._frame = header + self.payload
        return self._frame


class Outlet(Protocol):
    """Takes messages without waiting; ``flush`` after a batch sees them on their way."""

    def put(self, message: Message) -> None: ...

    def flush(self) -> None: ...

    async def drain(self) -> None:
        """Return once everything was handed to the server."""

    def close(self) -> None: ...


class AsgiOutlet:
    """Any ASGI server: a task that sends one message after the other. The connection's budget bounds what waits."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._queue: asyncio.Queue[Message] = asyncio.Queue()
        self._task = asyncio.create_task(self._run())

    def put(self, message: Message) -> None:
        self._queue.put_nowait(message)

    def flush(self) -> None:
        """Nothing to do: the task is already at work."""

    async def drain(self) -> None:
        join = asyncio.ensure_future(self._queue.join())
        await asyncio.wait({join, self._task}, return_when=asyncio.FIRST_COMPLETED)
        join.cancel()

    def close(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        # A server may raise once the client is gone (ASGI: OSError from send); its disconnect message ends us.
        with contextlib.suppress(OSError):
            while True:
                message = await self._queue.get()
                await self._send({"type": "websocket.send", "text": message.payload.decode()})
                self._queue.task_done()


class DaphneOutlet:
    """daphne: ready frames written straight to the transport, those of a batch in one system call.

    daphne would frame each message anew for each client (autobahn, about 15 us) and write it in the reactor's next
    round at the cost of two epoll_ctl calls. Valid only while the socket is open and no compression was agreed.
    """

    def __init__(self, protocol: Any) -> None:
        # daphne gathers whole messages, however long, before we could refuse one; autobahn drops the client instead.
        protocol.maxFramePayloadSize = protocol.maxMessagePayloadSize = _MOST_INCOMING_BYTES
        self._protocol = protocol
        self._frames: list[bytes] = []

    def put(self, message: Message) -> None:
        self._frames.append(message.frame)

    def flush(self) -> None:
        frames, self._frames = self._frames, []
        protocol = self._protocol
        if protocol.state != protocol.STATE_OPEN or not frames:
            return
        data = frames[0] if len(frames) == 1 else b"".join(frames)
        transport = protocol.transport
        sent = 0
        # Only where nothing waits before us, else the order would be lost.
        if transport.connected and not transport.dataBuffer and not transport._tempDataLen:
            written = transport.writeSomeData(data)
            sent = written if isinstance(written, int) else 0  # a lost connection: `write` finds out the usual way
        if sent < len(data):
            transport.write(data[sent:] if sent else data)

    async def drain(self) -> None:
        self.flush()

    def close(self) -> None:
        self._frames.clear()


def outlet_for(send: Send) -> Outlet:
    """The fastest outlet that this server allows."""
    protocol = _daphne_protocol(send)
    return AsgiOutlet(send) if protocol is None else DaphneOutlet(protocol)


def _daphne_protocol(send: Send) -> Any | None:
    """daphne's protocol behind ``send``, if it is daphne, plain and uncompressed."""
    if not isinstance(send, functools.partial) or len(send.args) != 1:
        return None
    protocol = send.args[0]
    transport = getattr(protocol, "transport", None)
    is_known = (
        type(protocol).__module__ == "daphne.ws_protocol"
        and type(transport).__module__ == "twisted.internet.tcp"  # a plain socket, neither wrapped nor a proxy
        and all(hasattr(transport, name) for name in ("writeSomeData", "dataBuffer", "_tempDataLen", "connected"))
    )
    is_plain = is_known and protocol._perMessageCompress is None and not getattr(transport, "TLS", False)
    return protocol if is_plain else None

"""What waits to be sent to one client, within a budget; and the faults that happen on the way out."""

from __future__ import annotations

import asyncio
from collections import deque

from providers.demo.faults import Faults
from providers.tradingview import codec

BUDGET_BYTES = 8 * 2**20  # a client that lets more than this wait is cut off
_GLUE_ABOVE = 16  # packets that wait share messages beyond this many
_GLUE_PACKETS = 64
_GLUE_BYTES = 64 * 2**10


class Outbox:
    """Payloads in the order they were put; one message each, unless many wait."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._packets: deque[str] = deque()
        self._bytes = 0
        self._ready = asyncio.Event()
        self.is_ended = False

    @property
    def waiting_bytes(self) -> int:
        return self._bytes

    def put(self, *payloads: str | bytes) -> None:
        for payload in payloads:
            self._put(codec.encode(payload))

    def put_raw(self, message: str) -> None:
        """A message that is sent as it is, well-formed or not."""
        self._put(message)

    def spoil_last(self, how: str) -> bool:
        """Make the newest packet wrong: ``wrong_length`` or ``truncated``. False if none waits."""
        if not self._packets:
            return False
        packet = self._packets.pop()
        self._bytes -= len(packet)
        if how == "wrong_length":
            _, _, length, rest = packet.split("~", 3)[0], *packet.split("~m~", 2)
            self._put(f"~m~{int(length) + 7}~m~{rest}")
        else:
            self._put(packet[: max(len(packet) // 2, 8)])
        return True

    def end(self) -> None:
        """Nothing more will come: ``take`` returns None once all is taken."""
        self.is_ended = True
        self._ready.set()

    async def take(self) -> str | None:
        """The next message to send; waits for one."""
        while not self._packets:
            if self.is_ended:
                return None
            self._ready.clear()
            await self._ready.wait()
        message = self._pop()
        if self._faults.glue or len(self._packets) > _GLUE_ABOVE:
            parts = [message]
            size = len(message)
            while self._packets and len(parts) < _GLUE_PACKETS and size < _GLUE_BYTES:
                parts.append(self._pop())
                size += len(parts[-1])
            message = "".join(parts)
        return message

    def _put(self, packet: str) -> None:
        self._packets.append(packet)
        self._bytes += len(packet)
        self._ready.set()

    def _pop(self) -> str:
        packet = self._packets.popleft()
        self._bytes -= len(packet)
        return packet

"""Flow control of one connection. Pure: times are arguments.

The server's ``send`` never waits, so what a client has not acknowledged is what may lie in buffers for it.
"""

from __future__ import annotations

from collections import deque

MOST_BYTES = 256 * 1024
MOST_MESSAGES = 200
PATIENCE_SECONDS = 10.0


class Budget:
    """How much may be on its way to a client that has acknowledged so much."""

    __slots__ = ("_bytes", "_sizes", "acknowledged", "sent", "waiting_since")

    def __init__(self, now: float) -> None:
        self.sent = 0
        self.acknowledged = 0
        self.waiting_since = now  # since when an acknowledgement has been due; meaningless while none is
        self._sizes: deque[int] = deque()
        self._bytes = 0

    def take(self, size: int, now: float) -> bool:
        """Count a message of ``size`` bytes as sent if there is room; a single message always finds an empty budget."""
        sizes = self._sizes
        if not sizes:
            self.waiting_since = now
        elif len(sizes) >= MOST_MESSAGES or self._bytes + size > MOST_BYTES:
            return False
        sizes.append(size)
        self._bytes += size
        self.sent += 1
        return True

    def acknowledge(self, count: int, now: float) -> None:
        """The client has received ``count`` messages in all. Raises ValueError if that cannot be."""
        if not self.acknowledged <= count <= self.sent:
            raise ValueError(f"{count} is not between {self.acknowledged}, acknowledged before, and {self.sent}, sent")
        for _ in range(count - self.acknowledged):
            self._bytes -= self._sizes.popleft()
        self.acknowledged = count
        self.waiting_since = now

    def is_overdue(self, now: float) -> bool:
        """Whether something has waited too long for an acknowledgement."""
        return bool(self._sizes) and now - self.waiting_since > PATIENCE_SECONDS

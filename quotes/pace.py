"""Which forming bars and quotes to publish when: the first change at once, then at most ten a second."""

from __future__ import annotations

PERIOD_SECONDS = 0.1


class Pace:
    """Marks symbols as changed, and says which are due. Times are monotonic seconds."""

    def __init__(self, period_seconds: float = PERIOD_SECONDS) -> None:
        self._period = period_seconds
        self._sent: dict[str, float] = {}
        self._changed: set[str] = set()

    def change(self, symbol: str, now: float) -> bool:
        """Note a change; whether it is due at once. If so it counts as sent."""
        if now - self._sent.get(symbol, float("-inf")) >= self._period:
            self._sent[symbol] = now
            self._changed.discard(symbol)
            return True
        self._changed.add(symbol)
        return False

    def due(self, now: float) -> list[str]:
        """Changed symbols whose turn has come; they count as sent."""
        found = [symbol for symbol in self._changed if now - self._sent[symbol] >= self._period]
        for symbol in found:
            self._sent[symbol] = now
        self._changed.difference_update(found)
        return found

    def forget(self, symbol: str) -> None:
        self._sent.pop(symbol, None)
        self._changed.discard(symbol)

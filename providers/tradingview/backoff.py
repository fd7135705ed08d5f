"""How long to wait before connecting again."""

from __future__ import annotations

from collections.abc import Callable

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0
_JITTER = 0.4


class Backoff:
    """0.5 s, doubling to 30 s, each +-40 % so that many clients do not return at once.

    It starts afresh after ``reset``, which the client calls when a connection has proved itself: a server that
    accepts and drops at once is met with growing patience.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures = 0

    def reset(self) -> None:
        self._failures = 0

    def next_seconds(self, at_least: float = 0.0) -> float:
        """The wait after one more failure; ``at_least`` is what the service asked for, which jitter only prolongs."""
        usual = min(FIRST_SECONDS * (1 << min(self._failures, 10)), LONGEST_SECONDS)
        self._failures += 1
        jittered = usual * (1 - _JITTER + 2 * _JITTER * self._random())
        delay = min(max(jittered, FIRST_SECONDS), LONGEST_SECONDS)
        return max(delay, at_least * (1 + _JITTER * self._random()))

"""How long to wait before connecting again."""

from __future__ import annotations

from collections.abc import Callable

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0
LONGEST_NEARBY_SECONDS = 3.0  # a server on this machine is not hurt by being asked often
_JITTER = 0.4


class Backoff:
    """0.5 s, doubling to ``longest`` seconds, each +-40 % so that many clients do not return at once.

    It starts afresh after ``reset``, which the client calls when a connection has proved itself: a server that
    accepts and drops at once is met with growing patience.
    """

    def __init__(self, random: Callable[[], float], *, longest: float = LONGEST_SECONDS) -> None:
        self._random, self._longest = random, longest
        self._failures = 0

    def reset(self) -> None:
        self._failures = 0

    def next_seconds(self, at_least: float = 0.0) -> float:
        """The wait after one more failure; ``at_least`` is what the service asked for, which jitter only prolongs."""
        usual = min(FIRST_SECONDS * (1 << min(self._failures, 10)), self._longest)
        self._failures += 1
        jittered = usual * (1 - _JITTER + 2 * _JITTER * self._random())
        delay = min(max(jittered, FIRST_SECONDS), self._longest)
        return max(delay, at_least * (1 + _JITTER * self._random()))

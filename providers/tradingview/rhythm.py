"""How often a symbol speaks, and when its silence becomes worth a question."""

from __future__ import annotations

_SECOND_NS = 10**9
MIN_QUIET_NS = 3 * _SECOND_NS
# With 5 s for the answer to a probe and the pulse of the timers, a dead feed is known within 15 s of its last update.
MAX_QUIET_NS = 8 * _SECOND_NS
MAX_PATIENT_NS = 60 * _SECOND_NS
_GAPS = 8  # so many times the usual gap is unusual
_WEIGHT = 8  # the usual gap is an average over about so many


class Rhythm:
    """The usual time between a symbol's updates, all in ns of one clock.

    A limit that has passed is no alarm: it makes the session ask the provider. After an answer the symbol is
    known to be quiet and the next question waits twice as long, up to a minute, until it speaks again.
    """

    __slots__ = ("_is_fresh", "_patience", "gap_ns", "last_ns")

    def __init__(self) -> None:
        self.last_ns = 0
        self.gap_ns: float | None = None
        self._patience = 1
        self._is_fresh = True

    def begin(self, now_ns: int) -> None:
        """A new subscription: its silence counts from now; what was learned of the symbol stays."""
        self.last_ns = now_ns
        self._patience = 1
        self._is_fresh = True

    def beat(self, now_ns: int) -> None:
        """The symbol spoke. The first time after ``begin`` is the snapshot, which says nothing of its rhythm."""
        gap, self.last_ns = max(now_ns - self.last_ns, 0), now_ns
        if self._is_fresh:
            self._is_fresh = False
        else:
            self.gap_ns = gap if self.gap_ns is None else self.gap_ns + (gap - self.gap_ns) / _WEIGHT
        self._patience = 1

    def answered(self, now_ns: int) -> None:
        """The provider answered for the symbol: it is quiet, not dead."""
        self.last_ns = now_ns
        self._patience *= 2

    @property
    def limit_ns(self) -> int:
        """Silence after which the provider is asked."""
        usual = MAX_QUIET_NS if self.gap_ns is None else int(_GAPS * self.gap_ns)
        return min(max(MIN_QUIET_NS, min(usual, MAX_QUIET_NS)) * self._patience, MAX_PATIENT_NS)

    def is_overdue(self, now_ns: int) -> bool:
        return now_ns - self.last_ns > self.limit_ns

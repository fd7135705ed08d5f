"""FeedClock: what time it is for the symbols whose feed is late by the same amount."""

from __future__ import annotations

from domain.grid import MINUTE_NS, second_key
from domain.tick import SEQ_BITS

NO_LIMIT = 1 << 128


class FeedClock:
    """The limit beyond which ticks come from the future, and the last whole minute that was swept.

    ``limit`` is a tick key that was right at an earlier ``now``. Time only goes on, so a key below it needs no
    further look; one above is compared with the present. That is a comparison of two integers a tick, and one
    calculation each five seconds for all symbols together. A sweep sets it back, so that a clock that was put
    back is noticed within the minute.
    """

    __slots__ = ("delay_ns", "grace_ns", "limit", "slack_ns", "swept", "swept_key")

    def __init__(self, delay_ns: int, grace_ns: int, future_ns: int) -> None:
        self.delay_ns = delay_ns
        self.grace_ns = grace_ns
        self.slack_ns = future_ns - delay_ns + 1  # exactly `future_ns` ahead is not too far, hence the nanosecond
        self.limit = 0
        self.look_up()

    def look_up(self) -> None:
        """Have the next sweep look at everything again."""
        self.swept = self.swept_key = -1

    def limit_at(self, now_ns: int | None) -> int:
        """The limit, brought up to ``now_ns``; there is none in a recording, which has no now."""
        self.limit = limit = NO_LIMIT if now_ns is None else (now_ns + self.slack_ns) << SEQ_BITS
        return limit

    def sweep(self, now_ns: int) -> int:
        """Note what is due: windows that end at or before ``swept_key``. Returns the `now` of the next sweep."""
        self.limit = (now_ns + self.slack_ns) << SEQ_BITS
        late_ns = self.delay_ns + self.grace_ns
        minute = (now_ns - late_ns) // MINUTE_NS
        if minute > self.swept:
            self.swept = minute
            self.swept_key = second_key(minute * 60)
        return (self.swept + 1) * MINUTE_NS + late_ns

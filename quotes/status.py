"""What state a symbol's feed is in, judged by three clocks. Pure: times are arguments (monotonic seconds).

The connection, any message on it, and each symbol against its own rhythm and calendar. A quiet market is not a dead
feed: beyond its usual rhythm a symbol is ``quiet`` only if the provider has shown since that it is there (another
symbol's data, or the answer to a probe), else it is ``stale``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

STALE_SECONDS = 13.0  # a feed that shows no sign of life is stale this long after its last; promised: within 15 s
PROBE_SECONDS = 70.0  # providers ask again for a quiet symbol at least once a minute
PATIENCE_SECONDS = 60.0  # an endpoint away for longer is offline rather than reconnecting
_LEAST_QUIET_SECONDS, _MOST_QUIET_SECONDS = 6.0, 10.0
_USUAL_GAPS = 8  # quiet begins after so many of the symbol's usual gaps
_DEAD_GAPS = 40  # and that many are too many, whatever the other symbols do
_SMOOTHING = 0.1


class FeedState(StrEnum):
    """The states of docs/live.md."""

    LIVE = "live"
    DELAYED = "delayed"
    QUIET = "quiet"
    STALE = "stale"
    CLOSED = "closed"
    RECONNECTING = "reconnecting"
    OFFLINE = "offline"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A symbol's state since ``since``, with the reason in words."""

    state: FeedState
    since: datetime
    reason: str = ""
    delay_seconds: int = 0
    opens_at: datetime | None = None
    retry_at: datetime | None = None

    def says_the_same_as(self, other: Status | None) -> bool:
        """Whether nothing but ``since`` and the numbers in the reason differ: not worth another message."""
        return (
            other is not None
            and self.state == other.state
            and self.delay_seconds == other.delay_seconds
            and self.opens_at == other.opens_at
            and self.retry_at == other.retry_at
            and (self.state in _COUNTING or self.reason == other.reason)
        )


_COUNTING = {FeedState.QUIET, FeedState.STALE}  # their reasons count seconds


@dataclass(slots=True)
class Endpoint:
    """What is known of the connection to one provider."""

    connected: bool = False
    down_since: float = 0.0
    reason: str = "connecting"
    retry_at: datetime | None = None
    up_since: float = 0.0
    alive_at: float = 0.0  # the last data of any symbol, or answer to a probe

    def lost(self, now: float, reason: str, retry_at: datetime | None) -> None:
        """A connection that brought nothing does not end the time for which the provider is away."""
        if self.connected and self.alive_at >= self.up_since:
            self.down_since = now
        self.connected, self.reason, self.retry_at = False, reason, retry_at

    def came_up(self, now: float) -> None:
        self.connected, self.up_since, self.reason, self.retry_at = True, now, "", None


@dataclass(slots=True)
class Rhythm:
    """When a symbol's data came, and how far apart it usually comes."""

    last_at: float
    gap: float = 1.0  # smoothed seconds between data
    error: str = ""
    delay_seconds: int = 0
    heard: bool = False  # any data since (re)subscribing
    probed_at: float = float("-inf")  # the provider's last answer to a probe of this symbol

    def beat(self, now: float) -> None:
        if self.heard:
            self.gap += _SMOOTHING * (now - self.last_at - self.gap)
        self.last_at, self.heard, self.error = now, True, ""

    @property
    def quiet_after(self) -> float:
        return min(max(_USUAL_GAPS * self.gap, _LEAST_QUIET_SECONDS), _MOST_QUIET_SECONDS)

    @property
    def dead_after(self) -> float:
        """A symbol that much beyond its own rhythm is stale even while others tick."""
        return max(_DEAD_GAPS * self.gap, STALE_SECONDS)


@dataclass(frozen=True, slots=True)
class Session:
    """Whether the market trades now, and when it opens if not."""

    is_open: bool
    opens_at: datetime | None = None


def judge(endpoint: Endpoint, rhythm: Rhythm, session: Session, now: float) -> tuple[FeedState, str]:
    """The state and its reason at monotonic ``now``."""
    if not endpoint.connected:
        away = now - endpoint.down_since
        return (FeedState.RECONNECTING if away < PATIENCE_SECONDS else FeedState.OFFLINE), endpoint.reason
    if rhythm.error:
        return FeedState.ERROR, rhythm.error
    if not session.is_open:
        return FeedState.CLOSED, "the market is closed"
    age = now - rhythm.last_at
    if rhythm.last_at < endpoint.up_since:  # a connection proves nothing: a provider that stalls accepts it too
        waiting = "connected again, but nothing was said of this symbol yet"
        return (FeedState.RECONNECTING if age < PATIENCE_SECONDS else FeedState.OFFLINE), waiting
    if age > rhythm.quiet_after:
        return _judge_silence(endpoint, rhythm, now, age)
    if rhythm.delay_seconds:
        return FeedState.DELAYED, f"the feed is {rhythm.delay_seconds // 60} min late by contract"
    return FeedState.LIVE, ""


def _judge_silence(endpoint: Endpoint, rhythm: Rhythm, now: float, age: float) -> tuple[FeedState, str]:
    usual = f"usually one each {rhythm.gap:.3g} s"
    if rhythm.probed_at > rhythm.last_at and now - rhythm.probed_at < PROBE_SECONDS:
        return FeedState.QUIET, f"no data for {age:.0f} s, {usual}; the provider was asked and answers"
    silent = now - endpoint.alive_at
    if silent > STALE_SECONDS:
        return FeedState.STALE, f"the provider has sent nothing for {silent:.0f} s"
    if age > rhythm.dead_after and rhythm.heard:
        return FeedState.STALE, f"no data for {age:.0f} s, {usual}; other symbols go on"
    if endpoint.alive_at > rhythm.last_at + rhythm.quiet_after:
        return FeedState.QUIET, f"no data for {age:.0f} s, {usual}; other symbols go on"
    return (FeedState.DELAYED if rhythm.delay_seconds else FeedState.LIVE), ""  # the proof is still awaited

"""One of the things that a supervisor keeps running, and where in its life it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from pocketquant.embedded.child import Child

_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 30.0
_HEALTHY_SECONDS = 30.0
_MOST_DEATHS = 5
_SETTLING_SECONDS = 3.0


class State(Enum):
    WAITING = auto()  # to be started, now or at `retry_at`
    STARTING = auto()
    READY = auto()
    DONE = auto()  # ran to its end, as it should
    ENDED = auto()  # was stopped


@dataclass
class Part:
    """``is_ready`` is asked until it says yes; ``outlives`` names the parts that must end before it."""

    child: Child
    start: Callable[[], None]
    is_ready: Callable[[], bool]
    outlives: tuple[str, ...] = ()
    runs_once: bool = False
    is_vital: bool = False  # there is no point in going on without it
    explain_failure: Callable[[], None] = lambda: None
    state: State = State.WAITING
    deaths: int = 0  # in a row: each after less than a healthy time
    was_given_up: bool = False  # it was said that it keeps dying
    retry_at: float = 0.0
    stop_by: float = field(default=0.0)

    @property
    def name(self) -> str:
        return self.child.name

    @property
    def is_settled(self) -> bool:
        return self.state in (State.READY, State.DONE)

    def died(self, now: float) -> float:
        """Count a death; return the seconds until the next try.

        A process that ran well is started again at once, one that keeps dying less and less often.
        """
        self.deaths = 1 if now - self.child.started_at >= _HEALTHY_SECONDS else self.deaths + 1
        delay = 0.0 if self.deaths == 1 else min(_FIRST_DELAY_SECONDS * 2 ** (self.deaths - 2), _LONGEST_DELAY_SECONDS)
        self.state, self.retry_at = State.WAITING, now + delay
        return delay

    @property
    def keeps_dying(self) -> bool:
        return self.runs_once or self.deaths > _MOST_DEATHS

    def seems_settled(self) -> bool:
        """For a process that cannot be asked: it runs, and for a while if it died before."""
        lived = time.monotonic() - self.child.started_at
        return self.child.is_running and (not self.deaths or lived >= _SETTLING_SECONDS)

    def exit_in_words(self) -> str:
        code = self.child.exit_code or 0
        lived = time.monotonic() - self.child.started_at
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"{self.name} {how} after {lived:.0f} s"

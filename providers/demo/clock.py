"""Clocks for the demo market."""

from __future__ import annotations

import time
from collections.abc import Callable


def scaled_clock(speed: float) -> Callable[[], float]:
    """The system's clock, running ``speed`` times as fast from now on; epoch seconds."""
    if speed == 1.0:
        return time.time
    began, began_monotonic = time.time(), time.monotonic()
    return lambda: began + (time.monotonic() - began_monotonic) * speed


class ManualClock:
    """A clock that stands still until it is told otherwise; epoch seconds. For tests."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds

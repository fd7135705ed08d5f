"""Why bars may be missing: while a feed is away, the ledger is told so.

Only where whole bars may be lost: for the intervals that are no longer than the interruption. A note reaches somewhat
ahead of the present, so that a long interruption costs few of them, and is cut to what was true when the feed is back.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from domain.coverage import Reason
from domain.errors import StoreUnavailable
from domain.instrument import Instrument
from domain.interval import Interval
from domain.spans import DAY
from marketdata.learning import note_reason
from marketdata.mongo import database
from quotes.threads import WorkerThread

_LOOK_SECONDS = 0.5
_RETRY_SECONDS = 10.0
_LEAST_SECONDS = 60.0  # the shortest bar
_MOST_AHEAD_SECONDS = 3_600.0
_MOST_ENDED = 20_000  # that wait for the store; the oldest are dropped, whose holes then say "not asked"
_MOST_WORDS = 200
_NOMINAL = {interval: interval.seconds or DAY for interval in Interval} | {Interval.W1: 7 * DAY, Interval.MN1: 28 * DAY}

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Interruption:
    """One symbol without its feed, from ``since`` on, in epoch seconds of event time.

    It is noted through ``noted``; ``reached`` is the furthest that a note may say, though it failed half-way. ``until``
    is None as long as it goes on.
    """

    instrument: Instrument
    since: float
    reason: str
    noted: float = 0.0
    reached: float = 0.0
    until: float | None = None

    def is_due(self, now: float) -> bool:
        return now >= max(self.since + _LEAST_SECONDS, self.noted)

    def through(self, now: float) -> float:
        """Until when to note it: half as long again, at most an hour, and never into a chunk that begins later."""
        if self.until is not None:
            return self.until
        ahead = min(max((now - self.since) / 2, _LEAST_SECONDS), _MOST_AHEAD_SECONDS)
        return min(now + ahead, (now // DAY + 1) * DAY)


class Interruptions:
    """``began`` and ``ended`` never wait; ``run`` writes, in a thread, and again where the store is away."""

    def __init__(self, thread: WorkerThread, clock: Callable[[], float] = time.time) -> None:
        self._thread, self._clock = thread, clock
        self._open: dict[str, Interruption] = {}
        self._ended: deque[Interruption] = deque(maxlen=_MOST_ENDED)

    def began(self, instrument: Instrument, since: float, reason: str) -> None:
        """Nothing is heard of this symbol since that epoch second. Said again, the first counts, as does its reason."""
        since -= instrument.delay_seconds
        one = self._open.setdefault(instrument.symbol, Interruption(instrument, since, ""))
        one.reason = one.reason or reason[:_MOST_WORDS]

    def ended(self, symbol: str) -> None:
        """It is heard again from now on, or nobody wants to hear it any more."""
        one = self._open.pop(symbol, None)
        if one is not None:
            one.until = self._now(one)
            if one.reached or one.is_due(one.until):
                self._ended.append(one)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS if await self.tell() else _RETRY_SECONDS)

    async def tell(self) -> bool:
        """Note what is due; False while the store is away."""
        try:
            while self._ended:
                await self._note(self._ended[0])
                self._ended.popleft()
            for one in list(self._open.values()):
                if one.is_due(self._now(one)) and one.until is None:
                    await self._note(one)
        except StoreUnavailable as error:
            log.warning("interruption_not_noted", reason=str(error), waiting=len(self._ended))
            return False
        return True

    async def _note(self, one: Interruption) -> None:
        through = one.through(self._now(one))
        one.reached = max(one.reached, through)
        longest = one.reached - one.since
        await self._thread.run(note_down, one.instrument, one.since, through, one.reason, longest=longest)
        one.noted = through

    def _now(self, one: Interruption) -> float:
        return self._clock() - one.instrument.delay_seconds


def note_down(instrument: Instrument, since: float, through: float, reason: str, *, longest: float) -> None:
    """Say of every bar that overlaps ``[since, through)`` (epoch seconds) why it may be missing, if whole bars of its
    interval may be: those up to ``longest`` seconds. Blocking. Raises StoreUnavailable.
    """
    store, end = database(), datetime.fromtimestamp(through, UTC)
    for interval, length in _NOMINAL.items():
        if length <= longest:
            start = datetime.fromtimestamp(int(since) - length + 1, UTC)
            note_reason(store, instrument, interval, start, end, reason or Reason.FEED_DOWN)

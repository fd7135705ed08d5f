"""The present state of a symbol, as a newcomer gets it: read from Redis, many askers answered by one round trip."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import orjson

from quotes import messages
from quotes.cache import LiveCache, Pulse, Stored
from quotes.outlet import Message
from quotes.status import FeedState, Status

SILENT_STALE_SECONDS = 11.0  # two heartbeats missed
SILENT_OFFLINE_SECONDS = 30.0
NOT_FOLLOWED = "this symbol is not being followed"
Wanted = tuple[str, frozenset[str], bool]  # symbol, intervals, resync


class SnapshotReader:
    """Answers ``read`` calls in batches. A call is answered by a round trip that begins after it.

    ``on_silent(symbol, state)`` is called when an answer says that the streamer does not speak for the symbol.
    """

    def __init__(
        self,
        cache: LiveCache,
        clock: Callable[[], float] = time.time,
        *,
        on_silent: Callable[[str, FeedState], None] = lambda _symbol, _state: None,
    ) -> None:
        self._cache, self._clock, self._on_silent = cache, clock, on_silent
        self._asked: dict[Wanted, asyncio.Future[Message]] = {}
        self._task: asyncio.Task[None] | None = None

    async def read(self, symbol: str, intervals: frozenset[str], *, resync: bool) -> Message:
        """The snapshot message. Raises RedisError or OSError while Redis is away."""
        wanted = symbol, intervals, resync
        future = self._asked.get(wanted)
        if future is None:
            future = self._asked[wanted] = asyncio.get_running_loop().create_future()
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._answer())
        return await asyncio.shield(future)

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _answer(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            try:
                answers = await self._read(asked)
            except Exception as error:  # it is raised where it is awaited; nobody may wait for ever
                for future in asked.values():
                    future.set_exception(error)
                    future.exception()  # marked as seen: an asker that has gone must not make a log line
            else:
                for wanted, message in answers.items():
                    asked[wanted].set_result(message)

    async def _read(self, asked: Iterable[Wanted]) -> dict[Wanted, Message]:
        union: dict[str, set[str]] = {}
        for symbol, intervals, _ in asked:
            union.setdefault(symbol, set()).update(intervals)
        pulse, stored = await self._cache.read(union)
        now = self._clock()
        for symbol in union:
            silence = silence_status(symbol, pulse, now)
            if silence is not None:
                self._on_silent(symbol, silence.state)
        answers = {}
        for wanted in asked:
            symbol, intervals, resync = wanted
            text = compose(symbol, intervals, stored[symbol], pulse, now, resync=resync)
            answers[wanted] = Message(text, symbol)
        return answers


def compose(
    symbol: str, intervals: Iterable[str], stored: Stored, pulse: Pulse | None, now: float, *, resync: bool
) -> bytes:
    """The snapshot message of ``symbol`` at ``now`` (epoch seconds)."""
    as_of = datetime.fromtimestamp(now, UTC)
    silence = silence_status(symbol, pulse, now)
    status = orjson.Fragment(stored.status) if stored.status and silence is None else None
    if status is None:
        told = silence or Status(state=FeedState.OFFLINE, since=as_of, reason="no data yet")
        status = orjson.Fragment(messages.encode(messages.status_fields(told, as_of)))
    return messages.encode(
        {
            "type": "snapshot",
            "symbol": symbol,
            "epoch": stored.epoch,
            "seq": stored.seq,
            "as_of": as_of,
            "resync": resync,
            "status": status,
            "quote": orjson.Fragment(stored.quote) if stored.quote else None,
            "bars": {i: orjson.Fragment(stored.forming[i]) for i in intervals if i in stored.forming},
            "closed": {i: orjson.Fragment(stored.closed[i]) for i in intervals if i in stored.closed},
        }
    )


def silence_status(symbol: str, pulse: Pulse | None, now: float) -> Status | None:
    """What to say of ``symbol`` when the streamer does not speak for it; None if it does."""
    if pulse is None:
        return Status(state=FeedState.OFFLINE, since=datetime.fromtimestamp(now, UTC), reason="no streamer is running")
    spoken = datetime.fromtimestamp(pulse.time, UTC)
    silent = now - pulse.time
    if silent > SILENT_STALE_SECONDS:
        state = FeedState.OFFLINE if silent > SILENT_OFFLINE_SECONDS else FeedState.STALE
        return Status(state=state, since=spoken, reason="the streamer has fallen silent")
    if symbol not in pulse.symbols:
        return Status(state=FeedState.OFFLINE, since=spoken, reason=NOT_FOLLOWED)
    return None

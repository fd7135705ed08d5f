"""What one client gets, and when: the present state first, then updates within a budget, the latest of what is late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

import structlog

from quotes.budget import Budget
from quotes.cache import RedisError
from quotes.hub import Hub
from quotes.outlet import Message, Outlet

NO_ACK, FAILED = 4408, 1011
_MOST_HELD = 200  # messages kept for a symbol while its snapshot is read
_RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Delivery:
    """A listener of the hub. ``close(code)`` is called when the client does not acknowledge, or something failed.

    What may be replaced by something newer (``Message.key``) waits in ``_late`` while the client is behind; the loss of
    anything else is mended by a snapshot (``_missed``). While a symbol's snapshot is read, its messages are ``_held``.
    """

    def __init__(self, outlet: Outlet, hub: Hub, *, close: Callable[[int], None]) -> None:
        self.symbols: dict[str, set[str]] = {}
        self._outlet, self._hub, self._close = outlet, hub, close
        self._budget = Budget(time.monotonic())
        self._late: dict[tuple[str, str], Message] = {}
        self._missed: set[str] = set()
        self._held: dict[str, list[Message]] = {}
        self._wanted: dict[str, bool] = {}  # symbols whose snapshot is to be read, and whether it is a resync
        self._snapshots: asyncio.Task[None] | None = None

    @property
    def unacknowledged(self) -> int:
        """Messages on their way."""
        return self._budget.sent - self._budget.acknowledged

    def end(self) -> None:
        """Nothing more is sent."""
        self._outlet.close()
        if self._snapshots is not None:
            self._snapshots.cancel()

    # From the hub; none of these waits

    def deliver(self, message: Message) -> None:
        """Pass on, hold, or put off one message."""
        if self._held and message.symbol in self._held:
            self._hold(message)
        elif self._late or self._missed or not self._budget.take(len(message.payload), time.monotonic()):
            self._put_off(message)
        else:
            self._outlet.put(message)

    def flush(self) -> None:
        self._outlet.flush()

    def resnapshot(self, symbols: Iterable[str]) -> None:
        """Messages about ``symbols`` may have been lost: send their state anew."""
        for symbol in symbols:
            self._want(symbol, resync=True)

    def tick(self, now: float) -> None:
        if self._budget.is_overdue(now):
            self._close(NO_ACK)

    # From the client

    def follow(self, symbol: str, intervals: Iterable[str]) -> None:
        """From now on, and first the present state."""
        self.symbols.setdefault(symbol, set()).update(intervals)
        self._hub.audience.join(self, symbol, intervals)
        self._want(symbol, resync=False)

    def leave(self, symbol: str, intervals: Iterable[str] | None) -> None:
        """No more forming bars of these intervals; nothing at all of the symbol if None."""
        followed = self.symbols.get(symbol)
        if followed is None:
            return
        if intervals is not None:
            gone = followed & set(intervals)
            followed -= gone
            self._hub.audience.leave(self, symbol, gone)
            return
        self._hub.audience.drop(self, symbol, followed)
        del self.symbols[symbol]
        self._held.pop(symbol, None)
        self._wanted.pop(symbol, None)
        self._missed.discard(symbol)

    def acknowledge(self, count: int) -> None:
        """The client has received ``count`` messages in all. Raises ValueError if that cannot be."""
        self._budget.acknowledge(count, time.monotonic())
        if self._late or self._missed:
            self._catch_up()

    # Falling behind and catching up

    def _hold(self, message: Message) -> None:
        held = self._held[message.symbol]
        if len(held) < _MOST_HELD:
            held.append(message)
        else:  # the state is read again, after these
            held.clear()
            self._wanted[message.symbol] = True

    def _put_off(self, message: Message) -> None:
        if message.symbol in self._missed:
            return  # the snapshot to come holds it
        if message.key is not None:
            self._late[message.key] = message
            return
        self._missed.add(message.symbol)
        for key in [key for key, late in self._late.items() if late.symbol == message.symbol]:
            del self._late[key]

    def _catch_up(self) -> None:
        """There is room again: first what waits, then snapshots of what was lost."""
        now = time.monotonic()
        while self._late:
            key = next(iter(self._late))
            if not self._budget.take(len(self._late[key].payload), now):
                break
            self._outlet.put(self._late.pop(key))
        if not self._late and self._missed:
            missed, self._missed = self._missed, set()
            self.resnapshot(missed)
        self.flush()

    # Snapshots

    def _want(self, symbol: str, *, resync: bool) -> None:
        if symbol not in self.symbols:
            return
        self._held.setdefault(symbol, [])
        self._wanted[symbol] = resync or self._wanted.get(symbol, False)
        if self._snapshots is None or self._snapshots.done():
            self._snapshots = asyncio.create_task(self._send_snapshots())
            self._snapshots.add_done_callback(self._snapshots_ended)

    def _snapshots_ended(self, task: asyncio.Task[None]) -> None:
        """A defect must not leave a browser that waits for its snapshot for ever: it shall come again."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("snapshots_failed", exc_info=error)
            self._close(FAILED)

    async def _send_snapshots(self) -> None:
        while self._wanted:
            wanted, self._wanted = self._wanted, {}
            await asyncio.gather(*(self._send_snapshot(symbol, resync) for symbol, resync in wanted.items()))
            self.flush()

    async def _send_snapshot(self, symbol: str, resync: bool) -> None:
        intervals = frozenset(self.symbols.get(symbol, ()))
        try:
            snapshot = await self._hub.snapshots.read(symbol, intervals, resync=resync)
        except (RedisError, OSError) as error:
            log.warning("snapshot_failed", symbol=symbol, reason=str(error))
            await asyncio.sleep(_RETRY_SECONDS)
            self._wanted.setdefault(symbol, resync)
            return
        if symbol in self._wanted:
            return  # asked for again meanwhile: this one may be too old
        held = self._held.pop(symbol, [])
        if symbol not in self.symbols:
            return  # unsubscribed meanwhile
        if self._late or not self._budget.take(len(snapshot.payload), time.monotonic()):
            self._put_off(snapshot)
            return
        self._outlet.put(snapshot)
        for message in [*self._hub.audience.newest(symbol, intervals), *held]:
            self.deliver(message)

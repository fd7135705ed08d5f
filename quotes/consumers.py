"""One browser's connection: join the hub, send the present state, pass on updates, within a budget (docs/live.md)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog

from quotes import messages, requests
from quotes.budget import Budget
from quotes.cache import RedisError
from quotes.hub import Hub, current_hub
from quotes.outlet import Message, Outlet, Send, outlet_for
from quotes.requests import Ack, BadRequest, Subscribe, Unsubscribe
from quotes.sign_in import CHECK_SECONDS, signed_out

NO_SESSION, NO_ACK, TOO_LARGE, TOO_MANY, TRY_LATER = 4401, 4408, 4413, 4429, 1013
MOST_SYMBOLS, MOST_SERIES = 100, 500
_MOST_HELD = 200  # messages kept for a symbol while its snapshot is read
_MOST_REQUESTS, _REQUEST_WINDOW_SECONDS = 200, 10.0
_READY_SECONDS = 5.0
_RETRY_SECONDS = 1.0

Receive = Callable[[], Awaitable[dict[str, Any]]]
log = structlog.get_logger(__name__)


class LiveConsumer:
    """An ASGI application for one WebSocket. Not a Channels consumer: those subscribe to the layer once a client.

    What may be replaced by something newer (``Message.key``) waits in ``_late`` while the client is behind; the loss of
    anything else is mended by a snapshot (``_missed``). While a symbol's snapshot is read, its messages are ``_held``.
    """

    check_seconds = CHECK_SECONDS

    def __init__(self, scope: dict[str, Any], send: Send, hub: Hub) -> None:
        self.symbols: dict[str, set[str]] = {}
        self._scope, self._send, self._hub = scope, send, hub
        self._budget = Budget(time.monotonic())
        self._outlet: Outlet | None = None
        self._late: dict[tuple[str, str], Message] = {}
        self._missed: set[str] = set()
        self._held: dict[str, list[Message]] = {}
        self._wanted: dict[str, bool] = {}  # symbols whose snapshot is to be read, and whether it is a resync
        self._snapshots: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._window_began, self._requests = 0.0, 0

    @classmethod
    def as_asgi(cls) -> Callable[[dict[str, Any], Receive, Send], Awaitable[None]]:
        async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
            await cls(scope, send, current_hub()).run(receive)

        return application

    async def run(self, receive: Receive) -> None:
        """From the handshake to the disconnect."""
        if (await receive())["type"] != "websocket.connect":
            return
        # Accepted first, even if only to be closed: browsers are told nothing about a refused handshake.
        await self._send({"type": "websocket.accept"})
        user = self._scope.get("user")
        if user is None or not (user.is_authenticated and user.is_active):  # loaded by the session's middleware
            await self._refuse(NO_SESSION, receive)
        elif not await self._hub.ready(_READY_SECONDS):
            await self._refuse(TRY_LATER, receive)
        else:
            await self._serve(receive)

    async def _serve(self, receive: Receive) -> None:
        self._outlet = outlet_for(self._send)
        self._hub.add(self)
        guard = asyncio.create_task(self._close_when_signed_out())
        try:
            while (event := await receive())["type"] == "websocket.receive":
                if self._closing is None:
                    await self._take(event)
        finally:
            guard.cancel()
            self._hub.remove(self)
            self._outlet.close()
            if self._snapshots is not None:
                self._snapshots.cancel()

    async def _close_when_signed_out(self) -> None:
        await signed_out(self._scope.get("session"), every_seconds=self.check_seconds)
        self._close(NO_SESSION)

    async def _refuse(self, code: int, receive: Receive) -> None:
        await self._send({"type": "websocket.close", "code": code})
        while (await receive())["type"] != "websocket.disconnect":
            pass  # what a refused client still says is not heard

    # From the hub; none of these waits

    def deliver(self, message: Message) -> None:
        """Pass on, hold, or put off one message."""
        if self._held and message.symbol in self._held:
            self._hold(message)
        elif self._late or self._missed or not self._budget.take(len(message.payload), time.monotonic()):
            self._put_off(message)
        elif self._outlet is not None:
            self._outlet.put(message)

    def flush(self) -> None:
        if self._outlet is not None:
            self._outlet.flush()

    def resnapshot(self, symbols: Iterable[str]) -> None:
        """Messages about ``symbols`` may have been lost: send their state anew."""
        for symbol in symbols:
            self._want(symbol, resync=True)

    def tick(self, now: float) -> None:
        if self._budget.is_overdue(now):
            self._close(NO_ACK)

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
            self._put(self._late.pop(key))
        if not self._late and self._missed:
            missed, self._missed = self._missed, set()
            self.resnapshot(missed)
        self.flush()

    def _put(self, message: Message) -> None:
        if self._outlet is not None:
            self._outlet.put(message)

    # Snapshots

    def _want(self, symbol: str, *, resync: bool) -> None:
        if symbol not in self.symbols:
            return
        self._held.setdefault(symbol, [])
        self._wanted[symbol] = resync or self._wanted.get(symbol, False)
        if self._snapshots is None or self._snapshots.done():
            self._snapshots = asyncio.create_task(self._send_snapshots())

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
        self._put(snapshot)
        for message in [*self._hub.latest(symbol, intervals), *held]:
            self.deliver(message)

    # From the client

    async def _take(self, event: dict[str, Any]) -> None:
        text = event.get("text")
        size = len(text if text is not None else event.get("bytes") or b"")
        if size > requests.MOST_BYTES:
            self._close(TOO_LARGE)
            return
        try:
            if text is None:
                raise BadRequest("bad_message", "send text frames, not binary ones")
            await self._obey(requests.parse(text))
        except BadRequest as error:
            self._count_request()
            self.deliver(Message(messages.error_message(error.code, error.detail, error.field), "", ("", "error")))
            self.flush()

    async def _obey(self, request: requests.Request) -> None:
        if isinstance(request, Ack):
            try:
                self._budget.acknowledge(request.count, time.monotonic())
            except ValueError as error:
                raise BadRequest("bad_ack", str(error), "n") from error
            if self._late or self._missed:
                self._catch_up()
            return
        self._count_request()
        if isinstance(request, Subscribe):
            await self._subscribe(request)
        else:
            self._unsubscribe(request)

    def _count_request(self) -> None:
        now = time.monotonic()
        if now - self._window_began > _REQUEST_WINDOW_SECONDS:
            self._window_began, self._requests = now, 0
        self._requests += 1
        if self._requests > _MOST_REQUESTS:
            self._close(TOO_MANY)

    async def _subscribe(self, request: Subscribe) -> None:
        unknown = await self._hub.registered.first_unknown(request.symbols)
        if unknown is not None:
            place = request.symbols.index(unknown)
            raise BadRequest("unknown_symbol", f"{unknown} is not registered", f"symbols[{place}]")
        self._check_room(request)
        for symbol in request.symbols:
            self.symbols.setdefault(symbol, set()).update(request.intervals)
            self._hub.join(self, symbol, request.intervals)
            self._want(symbol, resync=False)

    def _check_room(self, request: Subscribe) -> None:
        after = {symbol: self.symbols.get(symbol, set()) | request.intervals for symbol in request.symbols}
        others = {symbol: intervals for symbol, intervals in self.symbols.items() if symbol not in after}
        if len(after) + len(others) > MOST_SYMBOLS:
            raise BadRequest("too_many", f"at most {MOST_SYMBOLS} symbols a connection", "symbols")
        if sum(map(len, [*after.values(), *others.values()])) > MOST_SERIES:
            raise BadRequest("too_many", f"at most {MOST_SERIES} series (symbol x interval) a connection", "intervals")

    def _unsubscribe(self, request: Unsubscribe) -> None:
        for symbol in request.symbols:
            followed = self.symbols.get(symbol)
            if followed is None:
                continue
            if request.intervals is not None:
                gone = followed & request.intervals
                followed -= gone
                self._hub.leave(self, {symbol: gone})
                continue
            self._hub.drop(self, symbol, followed)
            del self.symbols[symbol]
            for table in (self._held, self._wanted):
                table.pop(symbol, None)
            self._missed.discard(symbol)

    def _close(self, code: int) -> None:
        """Say goodbye once; the disconnect that follows ends ``run``."""
        if self._closing is None:
            self._hub.remove(self)
            self._closing = asyncio.create_task(self._say_close(code))

    async def _say_close(self, code: int) -> None:
        log.info("live_connection_closed", code=code, unacknowledged=self._budget.sent - self._budget.acknowledged)
        await self._send({"type": "websocket.close", "code": code})

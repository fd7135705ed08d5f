"""One browser's connection: from the handshake to the disconnect (docs/live.md). What it is sent: ``delivery.py``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from quotes import messages, requests
from quotes.delivery import Delivery
from quotes.hub import Hub, current_hub
from quotes.outlet import Message, Send, outlet_for
from quotes.requests import Ack, BadRequest, Subscribe, Unsubscribe
from quotes.sign_in import CHECK_SECONDS, signed_out

NO_SESSION, TOO_LARGE, TOO_MANY, TRY_LATER = 4401, 4413, 4429, 1013
MOST_SYMBOLS, MOST_SERIES = 100, 500
_MOST_REQUESTS, _REQUEST_WINDOW_SECONDS = 200, 10.0
_READY_SECONDS = 5.0

Receive = Callable[[], Awaitable[dict[str, Any]]]
log = structlog.get_logger(__name__)


class LiveConsumer:
    """An ASGI application for one WebSocket. Not a Channels consumer: those subscribe to the layer once a client."""

    check_seconds = CHECK_SECONDS

    def __init__(self, scope: dict[str, Any], send: Send, hub: Hub) -> None:
        self._scope, self._send, self._hub = scope, send, hub
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
        self._delivery = delivery = Delivery(outlet_for(self._send), self._hub, close=self._close)
        self._hub.add(delivery)
        guard = asyncio.create_task(self._close_when_signed_out())
        try:
            while (event := await receive())["type"] == "websocket.receive":
                if self._closing is None:
                    await self._take(event)
        finally:
            guard.cancel()
            self._hub.remove(delivery)
            delivery.end()

    async def _close_when_signed_out(self) -> None:
        await signed_out(self._scope.get("session"), every_seconds=self.check_seconds)
        self._close(NO_SESSION)

    async def _refuse(self, code: int, receive: Receive) -> None:
        await self._send({"type": "websocket.close", "code": code})
        while (await receive())["type"] != "websocket.disconnect":
            pass  # what a refused client still says is not heard

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
            text = messages.error_message(error.code, error.detail, error.field)
            self._delivery.deliver(Message(text, "", ("", "error")))
            self._delivery.flush()

    async def _obey(self, request: requests.Request) -> None:
        if isinstance(request, Ack):
            try:
                self._delivery.acknowledge(request.count)
            except ValueError as error:
                raise BadRequest("bad_ack", str(error), "n") from error
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
        if self._closing is None:  # closed meanwhile: nothing may join any more
            for symbol in request.symbols:
                self._delivery.follow(symbol, request.intervals)

    def _check_room(self, request: Subscribe) -> None:
        followed = self._delivery.symbols
        after = {symbol: followed.get(symbol, set()) | request.intervals for symbol in request.symbols}
        others = {symbol: intervals for symbol, intervals in followed.items() if symbol not in after}
        if len(after) + len(others) > MOST_SYMBOLS:
            raise BadRequest("too_many", f"at most {MOST_SYMBOLS} symbols a connection", "symbols")
        if sum(map(len, [*after.values(), *others.values()])) > MOST_SERIES:
            raise BadRequest("too_many", f"at most {MOST_SERIES} series (symbol x interval) a connection", "intervals")

    def _unsubscribe(self, request: Unsubscribe) -> None:
        for symbol in request.symbols:
            self._delivery.leave(symbol, request.intervals)

    def _close(self, code: int) -> None:
        """Say goodbye once; the disconnect that follows ends ``run``."""
        if self._closing is None:
            self._hub.remove(self._delivery)
            self._closing = asyncio.create_task(self._say_close(code))

    async def _say_close(self, code: int) -> None:
        log.info("live_connection_closed", code=code, unacknowledged=self._delivery.unacknowledged)
        await self._send({"type": "websocket.close", "code": code})

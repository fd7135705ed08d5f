"""Builders for the tests of the live path: a publisher, a browser's socket, bars and quotes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator

from domain.bar import Bar, BarSource, BarState
from domain.interval import Interval
from domain.tick import Quote
from quotes.cache import LiveCache
from quotes.hub import Hub
from quotes.publish import Publisher
from quotes.routing import websocket_urlpatterns
from symbols.models import Exchange, Symbol

BTC = "DEMO:BTCUSD"
TEN = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


class SignedIn:
    """What the consumer asks of a user."""

    is_authenticated = True
    is_active = True


def registered(code: str = BTC, **fields: Any) -> Symbol:
    exchange, ticker = code.split(":")
    venue, _ = Exchange.objects.get_or_create(code=exchange)
    fields = {"provider": "demo" if exchange == "DEMO" else "tradingview", "provider_code": code, **fields}
    return Symbol.objects.create(exchange=venue, ticker=ticker, code=code, **fields)


def a_bar(minute: int = 0, close: float = 101.0, *, symbol: str = BTC, interval: Interval = Interval.M1) -> Bar:
    opens = TEN + timedelta(minutes=minute)
    return Bar(
        symbol=symbol,
        interval=interval,
        open_time=opens,
        starts_at=opens,
        close_time=opens + timedelta(seconds=interval.seconds or 86_400),
        open=100.0,
        high=max(103.5, close),
        low=min(99.25, close),
        close=close,
        volume=12.5,
        trades=7,
        state=BarState.PROVISIONAL,
        source=BarSource.STREAM,
    )


def a_quote(last: float = 101.0, *, symbol: str = BTC) -> Quote:
    return Quote(symbol=symbol, time_ns=int(TEN.timestamp() * 1e9), last=last, bid=last - 0.5, prev_close=100.0)


@asynccontextmanager
async def a_publisher(epoch: int = 1_000) -> AsyncIterator[Publisher]:
    cache = LiveCache()
    publisher = Publisher(cache=cache, layer=get_channel_layer(), epoch=epoch)
    try:
        yield publisher
    finally:
        await cache.close()


class Browser:
    """A client of the live socket that remembers how many messages it got."""

    def __init__(self, communicator: WebsocketCommunicator) -> None:
        self.communicator = communicator
        self.received = 0

    async def send(self, **message: Any) -> None:
        await self.communicator.send_to(text_data=orjson.dumps(message).decode())

    async def subscribe(self, *symbols: str, intervals: tuple[str, ...] = ("1m",)) -> None:
        await self.send(type="subscribe", symbols=list(symbols), intervals=list(intervals))

    async def ack(self, count: int | None = None) -> None:
        await self.send(type="ack", n=self.received if count is None else count)

    async def next(self, timeout_seconds: float = 5) -> dict[str, Any]:
        text = await self.communicator.receive_from(timeout_seconds)
        self.received += 1
        return dict(orjson.loads(text))

    async def until(self, condition: Callable[[dict[str, Any]], bool], timeout_seconds: float = 10) -> dict[str, Any]:
        """The first message that meets the condition; those before it are acknowledged and skipped."""
        async with asyncio.timeout(timeout_seconds):
            while True:
                message = await self.next(timeout_seconds)
                await self.ack()
                if condition(message):
                    return message

    async def of_type(self, kind: str, timeout_seconds: float = 10) -> dict[str, Any]:
        return await self.until(lambda message: message["type"] == kind, timeout_seconds)

    async def close_code(self, timeout_seconds: float = 5) -> int:
        async with asyncio.timeout(timeout_seconds):
            while True:
                event = await self.communicator.receive_output(timeout_seconds)
                if event["type"] == "websocket.close":
                    return int(event["code"])


@asynccontextmanager
async def a_browser(user: Any = None, session: Any = None) -> AsyncIterator[Browser]:
    communicator = WebsocketCommunicator(URLRouter(websocket_urlpatterns), "/ws/live/")
    communicator.scope["user"] = SignedIn() if user is None else user
    communicator.scope["session"] = session
    connected, _ = await communicator.connect(timeout=10)
    assert connected
    try:
        yield Browser(communicator)
    finally:
        await communicator.disconnect(timeout=5)


@asynccontextmanager
async def hub_of_this_loop() -> AsyncIterator[Hub]:
    """The hub that consumers of this test share; closed afterwards."""
    from quotes.hub import current_hub

    hub = current_hub()
    try:
        yield hub
    finally:
        await hub.close()
        await get_channel_layer().flush()

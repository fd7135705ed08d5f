"""One client: its socket, its connection's state, its outbox, its heartbeats."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from providers.demo.chart_session import ChartSession, Load
from providers.demo.connection import Connection
from providers.demo.faults import Faults
from providers.demo.outbox import BUDGET_BYTES, Outbox
from providers.demo.quotes import Update
from providers.tradingview import codec

logger = logging.getLogger(__name__)

RunLoad = Callable[[Load], Awaitable[list[bytes]]]


class Client:
    """Reads, answers and writes until either side ends. What it is told to send waits in the outbox."""

    def __init__(
        self,
        socket: ServerConnection,
        connection: Connection,
        faults: Faults,
        *,
        heartbeat_seconds: float,
        echo_seconds: float,
        budget_bytes: int = BUDGET_BYTES,
    ) -> None:
        self.connection = connection
        self._socket, self._faults = socket, faults
        self._outbox = Outbox(faults)
        self._heartbeat_seconds, self._echo_seconds = heartbeat_seconds, echo_seconds
        self._budget = budget_bytes
        self._beats = 0
        self._next_beat = asyncio.get_running_loop().time() + heartbeat_seconds
        self._unanswered_since: float | None = None
        self._met_faults = faults.serial()
        self._spoil: list[str] = []
        self._loading: dict[ChartSession, asyncio.Task[None]] = {}

    async def run(self, on_message: Callable[[Client], None]) -> None:
        """Say hello, then serve until the socket ends. ``on_message`` is called after each message was answered."""
        self._outbox.put(self.connection.hello())
        writer = asyncio.create_task(self._write())
        try:
            async for message in self._socket:
                self.send(self.connection.receive(message))
                on_message(self)
                if self.connection.is_over:
                    self._outbox.end()
                    await writer
                    break
        except ConnectionClosed:
            pass  # the usual end: clients seldom say goodbye
        finally:
            for task in (writer, *self._loading.values()):
                task.cancel()
            await asyncio.gather(writer, *self._loading.values(), return_exceptions=True)

    def send(self, payloads: list[bytes]) -> None:
        """Queue payloads; a client over its budget is cut off."""
        if self._faults.stall or self._faults.silence:
            return
        for payload in payloads:
            self._outbox.put(payload)
            if self._spoil and self._outbox.spoil_last(self._spoil[0]):
                del self._spoil[0]
        if self._outbox.waiting_bytes > self._budget:
            logger.warning("demo market: a client left %d bytes unread and is cut off", self._outbox.waiting_bytes)
            self.abort()

    def tell(self, symbol: str, update: Update) -> None:
        self.send(self.connection.partial(symbol, update))

    def step(self, now_ms: int) -> None:
        """What is due at this moment: faults, heartbeats, series that changed."""
        for serial, name in self._faults.injected_after(self._met_faults):
            self._met_faults = serial
            self._meet(name, now_ms)
        self._beat(asyncio.get_running_loop().time())
        self.send(self.connection.flush(now_ms))

    def start_loads(self, run: RunLoad) -> None:
        for chart, load in self.connection.loads():
            if chart not in self._loading:
                self._loading[chart] = asyncio.create_task(self._load(chart, load, run))

    def abort(self) -> None:
        """End at once, without a closing handshake."""
        self._outbox.end()
        self._socket.transport.abort()

    async def close(self) -> None:
        self._outbox.end()
        await self._socket.close(1001, "going away")

    async def _load(self, chart: ChartSession, load: Load, run: RunLoad) -> None:
        if self._faults.load_delay_seconds:
            await asyncio.sleep(self._faults.load_delay_seconds)
        try:
            packets = await run(load)
        except Exception:  # a client must not wait for ever because of a fault of ours
            logger.exception("demo market: a load failed")
            packets = load.failed()
        del self._loading[chart]
        self.send(self.connection.finish(chart, lambda: chart.finish(packets)))
        self.start_loads(run)

    def _beat(self, now: float) -> None:
        if self._unanswered_since is not None and self.connection.last_echo >= self._beats:
            self._unanswered_since = None
        if self._unanswered_since is not None and now - self._unanswered_since > self._echo_seconds:
            self.abort()
            return
        if now < self._next_beat:
            return
        self._next_beat = now + self._heartbeat_seconds
        if self._faults.no_heartbeat or self._faults.silence:
            self._unanswered_since = None
            return
        self._beats += 1
        self._outbox.put_raw(codec.heartbeat(self._beats))
        if self._unanswered_since is None:
            self._unanswered_since = now

    def _meet(self, name: str, now_ms: int) -> None:
        if name == "drop":
            self.abort()
        elif name == "close":
            self._outbox.end()
        elif name == "garbage":
            self._outbox.put_raw("\x00\x01 this is no packet ~m~ at all")
        elif name == "bad_json":
            self._outbox.put(b'{"m":"qsd","p":["qs_broken",{"n":"DEMO:')
        elif name == "protocol_error":
            self._outbox.put(b'{"m":"protocol_error","p":["wrong data"]}')
            self._outbox.end()
        elif name == "late_correction":
            self.send(self.connection.corrections(now_ms))
        else:
            self._spoil.append(name)

    async def _write(self) -> None:
        while (message := await self._outbox.take()) is not None:
            if self._faults.frame_delay_seconds:
                await asyncio.sleep(self._faults.frame_delay_seconds)
            await self._socket.send(message)
        await self._socket.close(1001 if not self.connection.is_over else 1000)

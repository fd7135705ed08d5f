"""DemoServer: the demo market on a port, speaking TradingView's wire."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections import defaultdict
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from domain.calendars import get_calendar
from providers.demo.chart_session import Load
from providers.demo.client import Client
from providers.demo.connection import Connection, session_name
from providers.demo.faults import Faults
from providers.demo.http import SEARCH_PATH, SOCKET_PATH, HttpDoor
from providers.demo.instruments import Listing
from providers.demo.market import DemoMarket
from providers.demo.outbox import BUDGET_BYTES
from providers.demo.quote_session import QuoteSession
from providers.demo.quotes import Tape

logger = logging.getLogger(__name__)

STEP_SECONDS = 0.05
_SWEEP_STEPS = 40  # steps between looks for tapes that nobody follows
_MAX_MESSAGE_BYTES = 2**20
_LOADS_AT_ONCE = 2

Waiting = list[tuple[Client, QuoteSession, str]]


class DemoServer:
    """Serves a DemoMarket over WebSocket and HTTP on one port. Start and stop it in one event loop.

    ``conflate`` trades make one quote update. What has happened is told every ``step_seconds``. A clock that jumps by
    more than ``jump_limit_seconds`` (a suspended laptop) ends every connection instead of sending hours of trades at
    once.
    """

    def __init__(
        self,
        market: DemoMarket,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        faults: Faults | None = None,
        conflate: int = 1,
        step_seconds: float = STEP_SECONDS,
        heartbeat_seconds: float = 5.0,
        echo_seconds: float = 30.0,
        jump_limit_seconds: float = 300.0,
        budget_bytes: int = BUDGET_BYTES,
        max_clients: int = 2_000,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.market = market
        self.faults = faults or Faults()
        self.now_ms = market.now_ms()  # of the last step: everything told was so at this moment
        self._host, self._port = host, port
        self._conflate = conflate
        self._step_seconds = step_seconds
        self._heartbeat_seconds, self._echo_seconds = heartbeat_seconds, echo_seconds
        self._jump_limit_ms = int(jump_limit_seconds * 1_000)
        self._tls = tls
        self._budget, self._max_clients = budget_bytes, max_clients
        self._clients: set[Client] = set()
        self._followers: dict[str, set[Client]] = defaultdict(set)
        self._tapes: dict[str, Tape] = {}
        self._opening: dict[str, Waiting] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._serial = 0
        self._server: Server | None = None
        self._pool = ThreadPoolExecutor(_LOADS_AT_ONCE, "demo-load")
        self._quote_pool = ThreadPoolExecutor(1, "demo-quote")
        self._calendar_pool = ThreadPoolExecutor(1, "demo-calendar")
        self._http = HttpDoor(market, self.faults, market.find)

    async def start(self) -> None:
        """Listen. Raises OSError if the port is taken."""
        self._server = await serve(
            self._serve_client,
            self._host,
            self._port,
            ssl=self._tls,
            process_request=self._process_request,
            compression=None,
            ping_interval=None,
            close_timeout=1,
            max_size=_MAX_MESSAGE_BYTES,
            server_header=None,
        )
        self._port = self._server.sockets[0].getsockname()[1]
        self._spawn(self._run_steps())
        # The first question to an exchange's calendar takes a second: ask before a client does.
        for name in {listing.calendar for listing in self.market.listings()}:
            self._calendar_pool.submit(get_calendar, name)

    async def stop(self) -> None:
        """End all connections and the port, within two seconds.

        Work in threads is not waited for, but Python itself waits for it at its exit: who must be gone by then leaves
        by ``os._exit``.
        """
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close(close_connections=False)
            closing = asyncio.gather(*(client.close() for client in self._clients), return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(closing, 0.5)
            for client in list(self._clients):
                client.abort()
            with contextlib.suppress(TimeoutError):  # a request may wait for a thread
                await asyncio.wait_for(self._server.wait_closed(), 0.5)
        for pool in (self._pool, self._quote_pool, self._calendar_pool):
            pool.shutdown(wait=False, cancel_futures=True)

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"{'wss' if self._tls else 'ws'}://{self._authority}{SOCKET_PATH}"

    @property
    def search_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self._authority}{SEARCH_PATH}"

    @property
    def _authority(self) -> str:
        host = "127.0.0.1" if self._host in ("", "0.0.0.0", "::") else self._host  # noqa: S104  # compared, not bound
        return f"[{host}]:{self._port}" if ":" in host else f"{host}:{self._port}"

    @property
    def client_count(self) -> int:
        return len(self._clients)

    # Clients

    async def _process_request(self, socket: ServerConnection, request: Request) -> Response | None:
        if self._http.is_socket(request):
            refusal = self._http.refusal(request)
            if refusal is None and len(self._clients) >= self._max_clients:
                return socket.respond(429, "too many connections\n")
            return refusal
        client = str(socket.remote_address[0]) if socket.remote_address else ""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._quote_pool, self._http.answer, request, client)

    async def _serve_client(self, socket: ServerConnection) -> None:
        self._serial += 1
        connection = Connection(self.market, self.faults, self._now, session_name(self._serial))
        client = Client(
            socket,
            connection,
            self.faults,
            heartbeat_seconds=self._heartbeat_seconds,
            echo_seconds=self._echo_seconds,
            budget_bytes=self._budget,
        )
        self._clients.add(client)
        try:
            await client.run(self._after_message)
        finally:
            self._clients.discard(client)
            for followers in self._followers.values():
                followers.discard(client)

    def _now(self) -> int:
        return self.now_ms

    def _after_message(self, client: Client) -> None:
        connection = client.connection
        for session, key, listing in connection.take_opened():
            self._open(client, session, key, listing)
        if connection.follows_changed:
            connection.follows_changed = False
            wanted = connection.follows()
            for symbol, followers in self._followers.items():
                if symbol not in wanted:
                    followers.discard(client)
            for symbol in wanted:
                self._followers[symbol].add(client)
        client.start_loads(self._run_load)

    async def _run_load(self, load: Load) -> list[bytes]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: load.run(self.now_ms))

    # Tapes

    def _open(self, client: Client, session: QuoteSession, key: str, listing: Listing) -> None:
        tape = self._tapes.get(listing.symbol)
        if tape is not None:
            client.send(session.snapshot(key, tape.snapshot()))
            return
        waiting = self._opening.get(listing.symbol)
        if waiting is None:
            waiting = self._opening[listing.symbol] = []
            self._spawn(self._open_tape(listing, waiting))
        waiting.append((client, session, key))

    async def _open_tape(self, listing: Listing, waiting: Waiting) -> None:
        loop = asyncio.get_running_loop()
        try:
            opening = await loop.run_in_executor(
                self._quote_pool, lambda: Tape.opening(self.market, listing, self.now_ms)
            )
            tape = self._tapes[listing.symbol] = Tape(self.market, listing, opening, self._conflate)
        finally:
            del self._opening[listing.symbol]
        for client, session, key in waiting:
            if client in self._clients and client.connection.is_alive(session, key):
                client.send(session.snapshot(key, tape.snapshot()))

    async def _run_steps(self) -> None:
        steps = 0
        while True:
            await asyncio.sleep(self._step_seconds)
            try:
                self._step()
            except Exception:  # the market must go on; what this step did not tell is told by none
                logger.exception("demo market: a step failed")
            steps += 1
            if steps % _SWEEP_STEPS == 0:
                self._sweep()

    def _step(self) -> None:
        now_ms = self.market.now_ms()
        if now_ms - self.now_ms > self._jump_limit_ms:
            logger.warning("demo market: the clock jumped by %d ms; all clients start anew", now_ms - self.now_ms)
            self._tapes.clear()
            for client in list(self._clients):
                client.abort()
        self.now_ms = now_ms = max(now_ms, self.now_ms)  # a clock set back: wait until it catches up
        muted = self.faults.muted_symbols
        for symbol, tape in self._tapes.items():
            updates = tape.advance(now_ms)
            if symbol in muted:
                continue
            for client in self._followers[symbol] if updates else ():
                for update in updates:
                    client.tell(symbol, update)
        for client in list(self._clients):
            client.step(now_ms)

    def _sweep(self) -> None:
        for symbol in [symbol for symbol in self._tapes if not self._followers[symbol]]:
            del self._tapes[symbol]
        for symbol in [symbol for symbol, followers in self._followers.items() if not followers]:
            del self._followers[symbol]

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

"""Fan-out: one publisher, through Redis, to many WebSocket clients of one server process.

``python -m benchmarks.fanout [--quick]``. Three servers get the same messages (a closed bar, about 300 bytes) in turn,
round after round: our hub in daphne, a Channels consumer that subscribes each client to the channel layer, in daphne,
and the limit: frames made once and written to bare asyncio transports. The clients are one epoll program
(fanout_client.c).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SYMBOL = "DEMO:BTCUSD"
SUBSCRIBE = f'{{"type":"subscribe","symbols":["{SYMBOL}"],"intervals":["1m"]}}'
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
LIMIT_SECONDS = 20.0
# Deliveries of one burst: what each server does in about a second.
DELIVERIES = {"hub": 200_000, "layer": 5_000, "limit": 80_000}


class Burst(NamedTuple):
    """What one burst came to."""

    per_second: float
    per_cpu_second: float
    arrived: float


class Delay(NamedTuple):
    p50_ms: float
    p99_ms: float
    arrived: float


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


class Server:
    """A server process and its clients."""

    def __init__(self, name: str, clients: int, *, program: Path, redis_url: str) -> None:
        self.name, self.clients, self.published = name, clients, 0
        port = free_port()
        if name == "limit":
            command = [sys.executable, "-m", "benchmarks.fanout_servers", str(port), redis_url]
        else:
            command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "-v", "0"]
            command.append(f"benchmarks.fanout_servers:{name}")
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        self._wait(port)
        subscribe = SUBSCRIBE if name == "hub" else ""
        self.client = subprocess.Popen(
            [str(program), str(port), "/ws/live/", str(clients), subscribe],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        began = time.monotonic()
        self._line("ready")
        self.connect_seconds = time.monotonic() - began

    def _wait(self, port: int) -> None:
        until = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not listen")

    def _line(self, expected: str = "") -> str:
        assert self.client.stdout is not None
        line = self.client.stdout.readline().strip()
        if not line or (expected and line != expected):
            raise RuntimeError(f"{self.name}: the clients ended ({line!r})")
        return line

    def report(self) -> list[int]:
        """messages, ns of the last, count, p50, p99 and max delay in us, since the last report."""
        assert self.client.stdin is not None
        self.client.stdin.write("report\n")
        self.client.stdin.flush()
        return [int(word) for word in self._line().split()]

    def collect(self, expected: int) -> list[list[int]]:
        """Reports until all have arrived, or nothing more arrives for 2 s."""
        reports, total, quiet_since = [], 0, time.monotonic()
        until = time.monotonic() + LIMIT_SECONDS
        while total < expected and time.monotonic() < min(until, quiet_since + 2):
            time.sleep(0.02)
            report = self.report()
            if report[0]:
                reports.append(report)
                total += report[0]
                quiet_since = time.monotonic()
        return reports

    def close(self) -> None:
        for process in (self.client, self.process):
            process.kill()
            process.wait()


class Publishing:
    """Sends the same messages to whichever server is measured, the way its own publisher would."""

    def __init__(self, redis_url: str) -> None:
        import redis.asyncio
        from channels.layers import get_channel_layer

        self._layer = get_channel_layer()
        self._redis = redis.asyncio.Redis.from_url(redis_url)
        self._epoch = int(time.time() * 1000)
        self._number = 0

    async def send(self, server: str) -> None:
        from benchmarks.fanout_servers import CHANNEL, GROUP
        from quotes.envelope import Envelope, group_name, shard_of

        text = self._text()
        if server == "limit":
            await self._redis.publish(CHANNEL, text)
        elif server == "layer":
            await self._layer.group_send(GROUP, {"type": "live", "t": text.decode()})
        else:
            self._number += 1
            shard = shard_of(SYMBOL)
            envelope = Envelope(shard, "bar", SYMBOL, "1m", text, self._number)
            await self._layer.group_send(group_name(shard), envelope.body(self._epoch, self._number))

    def _text(self) -> bytes:
        from quotes import messages

        bar = {
            "open_time": "2026-03-02T10:00:00Z", "close_time": "2026-03-02T10:01:00Z", "open": 64123.25,
            "high": 64130.5, "low": 64101.75, "close": 64122.5, "volume": 12.345678, "trades": time.monotonic_ns(),
            "partial": False,
        }  # fmt: skip
        fields = {"interval": "1m", "state": "closed", "bar": bar}
        return messages.about("bar", SYMBOL, self._epoch, self._number + 1, fields)


async def burst(server: Server, publishing: Publishing, deliveries: int) -> Burst:
    """As many messages as make so many deliveries, as fast as they can be published."""
    count = max(2, deliveries // server.clients)
    expected = count * server.clients
    cpu, began = cpu_seconds(server.process.pid), time.monotonic_ns()
    for _ in range(count):
        await publishing.send(server.name)
    reports = await asyncio.to_thread(server.collect, expected)
    arrived = sum(report[0] for report in reports)
    seconds = (max(report[1] for report in reports) - began) / 1e9
    return Burst(arrived / seconds, arrived / max(cpu_seconds(server.process.pid) - cpu, 1e-9), arrived / expected)


async def steady(server: Server, publishing: Publishing, count: int) -> Delay:
    """Ten messages a second; the delays from publishing to receipt, of all clients."""
    due = time.monotonic()
    for _ in range(count):
        await publishing.send(server.name)
        due += 0.1
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    await asyncio.sleep(0.5)
    messages, _, _, p50, p99, _ = await asyncio.to_thread(server.report)
    return Delay(p50 / 1000, p99 / 1000, messages / (count * server.clients))


async def measure(clients: int, *, program: Path, redis_url: str, rounds: int, seconds: int) -> None:
    publishing = Publishing(redis_url)
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for name in ("hub", "layer", "limit"):
            servers[name] = Server(name, clients, program=program, redis_url=redis_url)
            stack.callback(servers[name].close)
        for server in servers.values():  # whatever is done only once is done
            await burst(server, publishing, 2 * clients)
        bursts: dict[str, list[Burst]] = {name: [] for name in servers}
        for _ in range(rounds):
            for name, server in servers.items():
                bursts[name].append(await burst(server, publishing, DELIVERIES[name]))
        delays = {name: await steady(servers[name], publishing, 10 * seconds) for name in ("hub", "limit")}
        report(clients, servers, bursts, delays)


def report(clients: int, servers: dict[str, Server], bursts: dict[str, list[Burst]], delays: dict[str, Delay]) -> None:
    print(f"\n{clients} clients    deliveries/s  a CPU second of the server  arrived   10/s: p50 ms   p99 ms  arrived")
    wall, cpu = {}, {}
    for name, results in bursts.items():
        wall[name] = statistics.median(result.per_second for result in results)
        cpu[name] = statistics.median(result.per_cpu_second for result in results)
        arrived = min(result.arrived for result in results)
        line = f"  {name:12} {wall[name]:14,.0f} {cpu[name]:28,.0f} {arrived:8.0%}"
        if name in delays:
            line += f" {delays[name].p50_ms:14.1f} {delays[name].p99_ms:8.1f} {delays[name].arrived:8.0%}"
        print(line)
    connect = ", ".join(f"{name} {clients / server.connect_seconds:,.0f}" for name, server in servers.items())
    print(f"  connects/s: {connect}")
    for other, goal in (("layer", 8.0), ("limit", 0.3)):
        ratio, wall_ratio = cpu["hub"] / cpu[other], wall["hub"] / wall[other]
        verdict = "met" if ratio >= goal else "MISSED"
        print(f"  hub / {other}: {ratio:.2f} by CPU time, {wall_ratio:.2f} by the clock (goal {goal}: {verdict})")


@contextmanager
def redis_and_registry(folder: Path) -> Iterator[str]:
    """A Valkey and a migrated database of this run's own; yields the URL of the server."""
    os.environ["POCKETQUANT_VAR"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "pocketquant.settings"
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from pocketquant.embedded.paths import run_dir
    from pocketquant.embedded.sockets import wait_until_ready
    from pocketquant.embedded.valkey import Valkey
    from symbols.models import Exchange, Symbol

    valkey = Valkey(run=run_dir(folder), log=folder / "valkey.log")
    valkey.start()
    try:
        wait_until_ready(valkey)
        call_command("migrate", verbosity=0)
        venue, _ = Exchange.objects.get_or_create(code="DEMO")
        Symbol.objects.get_or_create(code=SYMBOL, defaults={"exchange": venue, "ticker": "BTCUSD", "provider": "demo"})
        yield str(settings.REDIS_URL)
    finally:
        valkey.stop()


def compiled(folder: Path) -> Path:
    program = folder / "fanout_client"
    subprocess.run(["gcc", "-O2", "-o", program, Path(__file__).with_suffix("").parent / "fanout_client.c"], check=True)
    return program


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fanout", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small sample: shows that it runs, not how fast")
    parser.add_argument("--clients", type=int, nargs="*", help="numbers of clients (default: 200 1000)")
    options = parser.parse_args()
    rounds, seconds = (1, 1) if options.quick else (5, 4)
    with tempfile.TemporaryDirectory(prefix="pq-fanout-") as name:
        folder = Path(name)
        program = compiled(folder)
        with redis_and_registry(folder) as redis_url:
            for clients in options.clients or ([50] if options.quick else [200, 1_000]):
                work = measure(clients, program=program, redis_url=redis_url, rounds=rounds, seconds=seconds)
                asyncio.run(work)


if __name__ == "__main__":
    main()

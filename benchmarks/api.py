"""Bars over HTTP: ours beside a serializer class and bare views, interleaved in one run under the same server.

One connection asks one question at a time, round after round: 1,000 bars that were never asked for (from MongoDB), the
same through serializer classes, and from a view that only finds and writes them; bars asked for again (from the cache),
and bytes kept of them from a bare Django view; all behind the same sessions. Then what users wait for: every read route
alone at its default limits, 100,000 bars as Arrow, and what 10,000 distinct ranges leave in Redis.
``python -m benchmarks.api [--quick]``.

Servers: daphne, which ``make run`` starts, and gunicorn with threads for those who serve plain HTTP by WSGI.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.api_client import Answer, Server
from benchmarks.peers import PeerMissing
from benchmarks.store import random_bars

CRYPTO, STOCKS = "DEMO:BTCUSD", ("DEMO:AAPL", "DEMO:EURUSD", "DEMO:7203")
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
BARS = f"/api/v1/bars?symbols={CRYPTO}&interval=1m"
KEPT = 15_000  # where the page begins that is asked for again and again
ENOUGH_MS = 5_000
PAGES_BYTES = 32 * 1024 * 1024


class Sizes(NamedTuple):
    """``stored`` bars, ``rounds`` of the interleaved part, ``alone`` requests of each route, ``distinct`` ranges, and
    a ``large`` answer of so many bars.
    """

    stored: int
    rounds: int
    alone: int
    distinct: int
    large: int


FULL, QUICK = Sizes(130_000, 200, 60, 10_000, 100_000), Sizes(20_000, 5, 1, 30, 10_000)


@contextmanager
def stores(folder: Path, bars: int) -> Iterator[str]:
    """A MongoDB and a Valkey with bars of this run's own; yields the cookie of somebody who is signed in."""
    os.environ |= {"POCKETQUANT_VAR": str(folder), "DJANGO_SETTINGS_MODULE": "pocketquant.settings"}
    os.environ |= {"POCKETQUANT_ENV_FILE": os.devnull, "LOG_LEVEL": "ERROR"}
    import django

    django.setup()
    from django.conf import settings

    from pocketquant.embedded.mongod import Mongod
    from pocketquant.embedded.paths import run_dir
    from pocketquant.embedded.sockets import wait_until_ready
    from pocketquant.embedded.valkey import Valkey

    run = run_dir(folder)
    mongod = Mongod(data=folder / "mongodb", run=run, log=folder / "mongod.log")
    valkey = Valkey(run=run, log=folder / "valkey.log")
    mongod.start()
    valkey.start()
    try:
        wait_until_ready(valkey)
        wait_until_ready(mongod)
        yield f"{settings.SESSION_COOKIE_NAME}={_fill(bars)}"
    finally:
        valkey.stop()
        mongod.stop()


def _fill(bars: int) -> str:
    """The registry of the demo market, minutes of one symbol; the key of a session."""
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.test import Client

    from domain.interval import Interval
    from marketdata.mongo import database
    from marketdata.repository import BarRepository
    from providers.demo import demo_instruments
    from symbols.models import Symbol
    from symbols.services import add_symbols

    call_command("migrate", verbosity=0)
    add_symbols(demo_instruments())
    instrument = Symbol.objects.with_code(CRYPTO).instrument()
    repository = BarRepository(database())
    for first in range(0, bars, 10_000):
        repository.save(instrument, Interval.M1, random_bars(10_000, first, seed=first))
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("bench"))
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def page(number: int, limit: int = 1_000) -> str:
    """A range of its own for each ``number``, with as many bars in it."""
    start = FIRST + timedelta(minutes=number)
    return f"start={start:%Y-%m-%dT%H:%MZ}&end={start + timedelta(minutes=limit):%Y-%m-%dT%H:%MZ}&limit={limit}"


class Race:
    """The contenders under one server."""

    def __init__(self, server: Server, body_file: Path, first: int) -> None:
        self._server, self._number = server, first
        self._kept = f"{BARS}&{page(KEPT)}"
        body_file.write_bytes(self._ask(self._kept).body)
        self.times: dict[str, list[float]] = {}
        self.cpu: dict[str, float] = {}

    def _ask(self, path: str) -> Answer:
        answer = self._server.get(path)
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {answer.body[:300]!r}")
        return answer

    def round(self) -> None:
        self._number += 1
        new = page(self._number)
        turns = {
            "from MongoDB": f"{BARS}&{new}",
            "serializer class": f"/bench/serializer?symbols={CRYPTO}&interval=1m&{new}",
            "find and write": f"/bench/plain?symbols={CRYPTO}&interval=1m&{new}",
            "cached": self._kept,
            "bare view": "/bench/bare",
        }
        answers = {}
        for name, path in turns.items():
            before = self._server.cpu_seconds()
            answers[name] = self._ask(path)
            self.cpu[name] = self.cpu.get(name, 0.0) + self._server.cpu_seconds() - before
            self.times.setdefault(name, []).append(answers[name].milliseconds)
        # How fresh the bars are is said by the minute, so a few bytes may differ from those that were kept.
        if abs(len(answers["cached"].body) - len(answers["bare view"].body)) > 100:
            raise RuntimeError("the bare view does not send as many bytes")

    def report(self) -> None:
        medians = {name: statistics.median(times) for name, times in self.times.items()}
        rounds = len(self.times["cached"])
        print(f"{self._server.name}: 1,000 bars as JSON, {rounds} rounds")
        for name, times in self.times.items():
            cpu = self.cpu[name] / rounds * 1e3
            print(f"  {name:18} median {medians[name]:7.2f} ms   p95 {p95(times):7.2f} ms   server's CPU {cpu:6.2f} ms")
        for text, above, below, goal in (
            ("serializer class / from MongoDB", "serializer class", "from MongoDB", ">= 8"),
            ("find and write / from MongoDB", "find and write", "from MongoDB", ">= 0.7"),
            ("cached / bare view", "cached", "bare view", "<= 1.5"),
        ):
            cpu = self.cpu[above] / max(self.cpu[below], 0.01)
            print(f"  {text}: {medians[above] / medians[below]:.2f} by the clock, {cpu:.2f} by CPU   goal {goal}")


def p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


def alone(server: Server, path: str, count: int) -> list[float]:
    """Milliseconds of ``count`` answers, one after the other; of fewer where that would take too long."""
    times: list[float] = []
    while len(times) < count and (len(times) < 5 or sum(times) < ENOUGH_MS):
        answer = server.get(path)
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {answer.body[:300]!r}")
        times.append(answer.milliseconds)
    return times


def read_routes() -> list[str]:
    """Every GET of the schema that names no single thing, with what it needs to be asked."""
    from drf_spectacular.generators import SchemaGenerator

    known = {"symbols": CRYPTO, "symbol": CRYPTO, "interval": "1m"}
    paths = [f"/api/v1/symbols/{CRYPTO}", *(f"{BARS}&format={name}" for name in ("csv", "ndjson", "parquet", "arrow"))]
    paths += [f"{BARS}&fill=ffill", f"{BARS}", f"{BARS}&shape=columns"]
    for path, item in SchemaGenerator().get_schema(request=None, public=True)["paths"].items():
        if "get" in item and "{" not in path:
            needed = [one["name"] for one in item["get"].get("parameters", []) if one.get("required")]
            needed = ["symbols", "interval"] if path == "/api/v1/bars" else needed
            paths.append(path + ("?" if needed else "") + "&".join(f"{name}={known.get(name, '')}" for name in needed))
    return sorted(paths)


def routes(server: Server, count: int) -> None:
    print(f"{server.name}: every read route alone at its default limits, {count} requests each, goal p95 < 100 ms")
    for path in read_routes():
        server.get(path)
        times = alone(server, path, count)
        verdict = "" if p95(times) < 100 else "   MISSED"
        print(f"  p95 {p95(times):7.2f} ms   median {statistics.median(times):7.2f} ms   {path}{verdict}")


def large(server: Server, bars: int) -> None:
    """Arrow of many bars: how long it takes, and what memory it takes beside a tenth of them."""
    import pyarrow

    took: list[float] = []
    peaks: dict[int, float] = {}
    for limit in (bars // 10, bars):
        for _ in range(3):
            server.forget_peak()
            before = server.peak_mib()
            answer = server.get(f"{BARS}&format=arrow&limit={limit}")
            peaks[limit] = max(peaks.get(limit, 0.0), server.peak_mib() - before)
            took = [*took, answer.milliseconds] if limit == bars else took
            rows = pyarrow.ipc.open_stream(io.BytesIO(answer.body)).read_all().num_rows
            if rows != limit:
                raise RuntimeError(f"{rows} bars instead of {limit}")
    print(
        f"{server.name}: {bars:,} bars as Arrow, {len(answer.body) / 2**20:.1f} MiB: {min(took) / 1e3:.2f} s at best, "
        f"{statistics.median(took) / 1e3:.2f} s median (goal < 1 s); memory grows by {peaks[bars]:.1f} MiB, "
        f"for a tenth of the bars by {peaks[bars // 10]:.1f} MiB"
    )


def distinct(server: Server, count: int) -> None:
    """What so many different ranges leave in Redis."""
    import redis
    from django.conf import settings

    with redis.Redis.from_url(f"{settings.REDIS_URL}?db=1") as client:
        client.execute_command("FLUSHDB", "SYNC")  # freed now: the memory before is what it is compared with
        before = client.info("memory")["used_memory"]
        most, began, sent = 0, time.monotonic(), 0
        for number in range(count):
            sent += len(server.get(f"{BARS}&{page(number, 200)}").body)
            if number % 100 == 0:
                most = max(most, client.info("memory")["used_memory"] - before)
        most = max(most, client.info("memory")["used_memory"] - before)
        kept = int(client.get("{bars}:total") or 0)
        pages = client.dbsize()
    seconds = time.monotonic() - began
    print(
        f"{server.name}: {count:,} distinct ranges, {sent / 2**20:.0f} MiB of answers in {seconds:.0f} s: "
        f"{pages:,} keys and {kept / 2**20:.1f} MiB of pages in Redis (bound {PAGES_BYTES / 2**20:.0f} MiB), "
        f"which grew by {most / 2**20:.1f} MiB at most"
    )


def run(names: list[str], folder: Path, sizes: Sizes) -> None:
    with stores(folder, sizes.stored) as cookie, ExitStack() as stack:
        servers = []
        for name in names:
            try:
                servers.append(Server(name, cookie, folder / f"{name}.log"))
                stack.callback(servers[-1].close)
            except PeerMissing as missing:
                print(f"{name} is left out: {missing}")
        races = [Race(server, folder / "body.json", 300 * place) for place, server in enumerate(servers, start=1)]
        for _ in range(sizes.rounds):
            for race in races:
                race.round()
        for race in races:
            race.report()
        for server in servers:
            times = alone(server, f"{BARS}&{page(KEPT)}", 5 * sizes.alone)
            said = "   goal < 5 ms" if server.name == "gunicorn" else ""
            print(
                f"{server.name}: cached, alone: p95 {p95(times):.2f} ms, median {statistics.median(times):.2f} ms{said}"
            )
        for measure, size in _others(sizes):
            for server in servers:
                measure(server, size)


def _others(sizes: Sizes) -> list[tuple[Callable[[Server, int], Any], int]]:
    return [(routes, sizes.alone), (large, sizes.large), (distinct, sizes.distinct)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small sample: shows that it runs, not how fast")
    parser.add_argument("--servers", nargs="*", choices=["daphne", "gunicorn"], help="default: both; quick: daphne")
    options = parser.parse_args()
    names = options.servers or (["daphne"] if options.quick else ["daphne", "gunicorn"])
    folder = Path(tempfile.mkdtemp(prefix="pq-api-"))
    try:
        run(names, folder, QUICK if options.quick else FULL)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())

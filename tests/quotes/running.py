"""A real streamer in a process of its own, with a database and a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from pymongo import MongoClient

from domain.bar import Bar
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.repository import BarRepository

ROOT = Path(__file__).resolve().parents[2]


class FastClock(NamedTuple):
    """Epoch seconds that pass ``speed`` times as fast; the same in every process of this machine."""

    began: float
    began_monotonic: float
    speed: float

    @classmethod
    def now(cls, speed: float) -> FastClock:
        return cls(time.time(), time.monotonic(), speed)

    def __call__(self) -> float:
        return self.began + (time.monotonic() - self.began_monotonic) * self.speed

    def ns(self) -> int:
        return int(self() * 1e9)


class RunningStreamer:
    """What ``manage.py stream_quotes`` runs, under a fast clock; ``repository`` reads what it stored."""

    def __init__(
        self, folder: Path, template: Path, *, demo_url: str, mongodb_uri: str, redis_url: str, clock: FastClock
    ) -> None:
        self.folder = folder
        self.clock = clock
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(template, folder / "pocketquant.sqlite3")
        self.database_name = f"stream_{time.time_ns()}"
        self.environment = {
            **os.environ,
            "POCKETQUANT_VAR": str(folder),
            "DATABASE_URL": f"sqlite:///{folder / 'pocketquant.sqlite3'}",
            "MONGODB_URI": mongodb_uri,
            "MONGODB_DATABASE": self.database_name,
            "REDIS_URL": redis_url,
            "DEMO_MARKET_URL": demo_url,
            "TRADINGVIEW_URL": "ws://127.0.0.1:9/",  # nothing listens there
        }
        self.log = folder / "streamer.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._client: MongoClient[dict[str, Any]] = MongoClient(mongodb_uri, tz_aware=True)
        self.database = self._client[self.database_name]
        self.repository = BarRepository(self.database)

    def python(self, code: str) -> None:
        """Run a few lines in another process of the same installation."""
        subprocess.run([sys.executable, "-c", code], env=self.environment, cwd=ROOT, timeout=60, check=True)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.quotes.fast_streamer", *map(repr, self.clock)],
                env=self.environment, cwd=ROOT, stdout=log, stderr=log,
            )  # fmt: skip

    def stop(self, signum: int = signal.SIGTERM) -> float:
        """Send a signal and wait; how many seconds it took."""
        process = self.process
        assert process is not None
        began = time.monotonic()
        process.send_signal(signum)
        process.wait(15)
        self.process = None
        return time.monotonic() - began

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self._client.close()

    def stored(self, instrument: Instrument, interval: Interval) -> list[Bar]:
        return self.repository.latest(instrument, interval, 1_000)

    def events(self, kind: str, symbol: str) -> list[dict[str, Any]]:
        """What the audit trail has of a symbol: ``reason`` and ``volume``, oldest first."""
        with contextlib.closing(sqlite3.connect(self.folder / "pocketquant.sqlite3")) as database:
            rows = database.execute(
                "SELECT reason, volume FROM quotes_feedevent WHERE kind = ? AND symbol = ? ORDER BY id",
                (kind, symbol),
            ).fetchall()
        return [dict(zip(("reason", "volume"), row, strict=True)) for row in rows]

    def said(self) -> str:
        return self.log.read_text()


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true value of ``condition``, looked at every 50 ms."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")

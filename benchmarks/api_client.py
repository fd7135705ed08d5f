"""A server process of ``benchmarks.api`` and one connection to it, kept open: what is timed is the answer, no more."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers import ROOT, interpreter

GUNICORN = "27.0.1"
START_SECONDS = 60
KEEP_ALIVE_SECONDS = 3_600
"""Longer than a whole run: a server's connection waits for minutes while the other one is measured."""
TICKS = os.sysconf("SC_CLK_TCK")


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes
    milliseconds: float


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def daphne(port: int) -> tuple[list[str], dict[str, str]]:
    """What ``make run`` serves with."""
    command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "-v", "0"]
    return [*command, "benchmarks.api_servers:asgi"], {}


def gunicorn(port: int) -> tuple[list[str], dict[str, str]]:
    """The WSGI profile: one process, threads, connections kept open. Raises PeerMissing."""
    folder = next((interpreter("gunicorn", GUNICORN).parent.parent / "lib").glob("python3*/site-packages"))
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "4"]
    command += ["--worker-class", "gthread", "--keep-alive", str(KEEP_ALIVE_SECONDS), "--log-level", "warning"]
    return [*command, "benchmarks.api_servers:wsgi"], {"PYTHONPATH": str(folder)}


class Server:
    """One of the two above, serving; ``pid`` is the process that answers."""

    def __init__(self, name: str, cookie: str, log: Path) -> None:
        self.name, self._cookie = name, cookie
        self.port = free_port()
        command, environment = {"daphne": daphne, "gunicorn": gunicorn}[name](self.port)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | environment, stdout=output, stderr=output, start_new_session=True
            )
        self._socket = self._connect(log)
        self.get("/livez")  # imports what is imported on first use
        self.pid = self._worker()

    def _connect(self, log: Path) -> socket.socket:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=START_SECONDS)
            except ConnectionRefusedError:
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not listen: {log.read_text()[-2_000:]}")

    def _worker(self) -> int:
        """gunicorn answers from a child."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return int(children[0]) if children else self._process.pid

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        """One answer, read to its end."""
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Cookie: {self._cookie}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        began = time.perf_counter()
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head, _, rest = self._until(b"", b"\r\n\r\n").partition(b"\r\n\r\n")
        status, *told = head.decode("latin-1").split("\r\n")
        found = {name.lower(): value for name, _, value in (line.partition(": ") for line in told)}
        if found.get("transfer-encoding") == "chunked":
            body = self._chunks(rest)
        else:
            body = self._exactly(rest, int(found["content-length"]))
        took = (time.perf_counter() - began) * 1e3
        if found.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        return Answer(int(status.split()[1]), found, body, took)

    def _receive(self) -> bytes:
        data = self._socket.recv(1 << 20)
        if not data:
            raise ConnectionError(f"{self.name} ended the connection in the middle of an answer")
        return data

    def _until(self, data: bytes, mark: bytes) -> bytes:
        while mark not in data:
            data += self._receive()
        return data

    def _exactly(self, data: bytes, length: int) -> bytes:
        parts, have = [data], len(data)
        while have < length:
            parts.append(self._receive())
            have += len(parts[-1])
        return b"".join(parts)

    def _chunks(self, rest: bytes) -> bytes:
        body = []
        while True:
            size, _, rest = self._until(rest, b"\r\n").partition(b"\r\n")
            length = int(size, 16)
            rest = self._exactly(rest, length + 2)
            if not length:
                return b"".join(body)
            body.append(rest[:length])
            rest = rest[length + 2 :]

    def cpu_seconds(self) -> float:
        """User and system time of the process that answers, in steps of 10 ms."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def forget_peak(self) -> None:
        """Begin to look for the most memory anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak_mib(self) -> float:
        """The most memory it had since."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

    def close(self) -> None:
        self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

"""Which parts a running PocketQuant has, how each is called and in which order they end."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

from pocketquant import settings
from pocketquant.embedded.child import Child
from pocketquant.embedded.mongod import Mongod
from pocketquant.embedded.part import Part
from pocketquant.embedded.paths import make_run_dir
from pocketquant.embedded.probes import HttpProbe, accepts_tcp
from pocketquant.embedded.valkey import Valkey

LOGS = settings.VAR_DIR / "log"
_GATE = "pocketquant.embedded.gate"
_PROGRAMS = ("streamer", "worker", "web")


def servers() -> list[Part]:
    """The database servers that are ours to run: none that an address in the environment replaces."""
    run = make_run_dir(settings.VAR_DIR)
    parts = []
    if settings.MONGODB_IS_EMBEDDED:
        mongod = Mongod(data=settings.VAR_DIR / "mongodb", run=run, log=LOGS / "mongod.log")
        parts.append(_server(mongod))
    if settings.REDIS_IS_EMBEDDED:
        parts.append(_server(Valkey(run=run, log=LOGS / "valkey.log")))
    return parts


def _server(server: Mongod | Valkey) -> Part:
    return Part(
        server.child,
        server.start,
        server.is_ready,
        outlives=_PROGRAMS,
        is_vital=isinstance(server, Mongod),
        explain_failure=server.explain_failure,
    )


def prepare(base_url: str, *, with_demo: bool) -> Part:
    """Brings the SQL database up to date and makes what a first start needs; ends by itself."""
    options = ["--base-url", base_url, *([] if with_demo else ["--no-demo"])]
    child = _python("prepare", ["-", "manage", "prepare", *options])
    return Part(child, child.start, lambda: False, runs_once=True)


def demo_market(port: int) -> Part:
    child = _python("demo", ["-", "manage", "demo_market", "--port", str(port)])
    return Part(child, child.start, lambda: accepts_tcp("127.0.0.1", port), outlives=("streamer", "worker"))


class Gated:
    """Programs that need the migrated database: imported at once, let go by ``open``."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self._is_open = False

    def open(self) -> None:
        if not self._is_open:
            self._is_open = True
            os.close(self._write)
            os.close(self._read)

    def web(self, listener: socket.socket) -> Part:
        host, port = listener.getsockname()[:2]
        probe = HttpProbe(host, port)
        options = [
            *("--fd", str(listener.fileno()), "-v", "0", "--no-server-name", "--application-close-timeout", "5"),
            *("--ping-interval", "5", "--ping-timeout", "10", "pocketquant.asgi:application"),
        ]
        child = self._child("web", ["web", *options], pass_fds=(listener.fileno(),))

        def start() -> None:
            probe.reset()
            self._start(child)

        return Part(child, start, probe.answers, outlives=("streamer",), is_vital=True)

    def streamer(self) -> Part:
        return self._command("streamer", "stream_quotes")

    def worker(self) -> Part:
        """Nice to the others: a bulk sync must not make live prices late."""
        return self._command("worker", "qcluster", nice=10)

    def _command(self, name: str, command: str, **options: Any) -> Part:
        child = self._child(name, ["manage", command], **options)
        part = Part(child, lambda: self._start(child), lambda: self._is_open and part.seems_settled())
        return part

    def _child(self, name: str, arguments: list[str], **options: Any) -> Child:
        return _python(name, ["-", *arguments], **options)

    def _start(self, child: Child) -> None:
        """Behind the gate while it is closed; at a restart there is nothing to wait for."""
        place = child.command.index(_GATE) + 1
        others = tuple(descriptor for descriptor in child.pass_fds if descriptor != self._read)
        child.command[place] = "-" if self._is_open else str(self._read)
        child.pass_fds = others if self._is_open else (*others, self._read)
        child.start()


def _python(name: str, arguments: list[str], **options: Any) -> Child:
    # Compiled once, also where the environment asks for no byte code: five processes import the same 1,000 modules.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env |= {"PYTHONUNBUFFERED": "1", "DJANGO_SETTINGS_MODULE": "pocketquant.settings"}
    log: Path = LOGS / f"{name}.log"
    command = [sys.executable, "-m", _GATE, *arguments]
    return Child(name, command, log=log, env=env, cwd=settings.BASE_DIR, **options)

"""One run of the whole: its lock, ports and parts, and what it tells the person who started it."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from pocketquant import settings
from pocketquant.embedded import leftovers, parts, ports, probes
from pocketquant.embedded.errors import EmbeddedError
from pocketquant.embedded.lock import AlreadyRunning, Lock
from pocketquant.embedded.part import Part
from pocketquant.embedded.supervisor import Supervisor
from pocketquant.embedded.terminal import Terminal

SIGN_IN_LINK = settings.VAR_DIR / "sign-in-link"
_DEMO_HOST = "127.0.0.1"


def run(*, host: str | None, port: int | None, with_demo: bool) -> int:
    """Until a signal. Returns the exit code."""
    os.umask(0o077)  # sessions, links and bars are their owner's alone; the children inherit it
    try:
        lock = Lock(settings.VAR_DIR)
    except AlreadyRunning as error:
        print(f"{error}. Open it there, or end it first.", file=sys.stderr)
        return 1
    terminal = Terminal(parts.LOGS / "up.log")
    try:
        return _run(lock, terminal, host=host or settings.HOST, port=port or settings.PORT, with_demo=with_demo)
    except EmbeddedError as error:
        terminal.say(str(error))
        return 1
    finally:
        lock.release()


def _run(lock: Lock, terminal: Terminal, *, host: str, port: int, with_demo: bool) -> int:
    began = time.time()
    terminal.say(f"PocketQuant starts; its data is in {settings.VAR_DIR}")
    for warning in settings.ENVIRONMENT_WARNINGS:
        terminal.say(f"Note: {warning}")
    _clear_leftovers(lock, terminal)
    greeting = Greeting(terminal, base_url="", began=began)
    with ports.listen(host, port) as listener:
        found: int = listener.getsockname()[1]
        _say_if_moved(terminal, "the site", port, found)
        greeting.base_url = lock.running.url = f"http://{_shown(host)}:{found}"
        gated = parts.Gated()
        chosen = [*parts.servers(), parts.prepare(lock.running.url, with_demo=with_demo), gated.web(listener)]
        if with_demo and settings.DEMO_MARKET_IS_EMBEDDED:
            chosen.append(_demo_market(lock, terminal, besides=found))
        chosen += [gated.streamer(), gated.worker()]
        lock.write()  # before any part starts: they read where the others are
        supervisor = Supervisor(
            chosen,
            lock=lock,
            terminal=terminal,
            logs=parts.LOGS,
            on_done=lambda part: gated.open(),
            on_ready=greeting.say,
        )
        return supervisor.run()


def _clear_leftovers(lock: Lock, terminal: Terminal) -> None:
    if leftovers.still_there(lock.before):
        terminal.say("Waiting for what is left of the last run ...")
    leftovers.wait_for_end(lock.before)


def _demo_market(lock: Lock, terminal: Terminal, *, besides: int) -> Part:
    port = ports.free_port(_DEMO_HOST, settings.DEMO_MARKET_PORT, besides=besides)
    _say_if_moved(terminal, "the demo market", settings.DEMO_MARKET_PORT, port)
    lock.running.demo_market_url = f"ws://{_DEMO_HOST}:{port}/socket.io/websocket"
    return parts.demo_market(port)


def _say_if_moved(terminal: Terminal, what: str, wanted: int, found: int) -> None:
    if wanted != found:
        terminal.say(f"Port {wanted} is taken; {what} uses {found}.")


def _shown(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "localhost", "") else host  # noqa: S104 - compared, not bound


@dataclass
class Greeting:
    """The last words of a start: the address to open and, until somebody has come in, the link that lets them."""

    terminal: Terminal
    base_url: str
    began: float
    link_file: Path = SIGN_IN_LINK

    def say(self) -> None:
        self.terminal.say(f"\nReady after {time.time() - self.began:.1f} s. Open {self.base_url}/")
        if not (settings.MONGODB_IS_EMBEDDED and settings.REDIS_IS_EMBEDDED):
            self._say_who_is_away()
        if self.link_file.exists() and self.link_file.stat().st_mtime >= self.began:
            self.terminal.whisper(f"Sign in, once and within 15 minutes: {self.link_file.read_text().strip()}")
        else:
            self.terminal.say("Signed out? `.venv/bin/python manage.py signin` prints a link that lets you in.")
        self.terminal.say(f"Ctrl-C ends everything. Logs: {parts.LOGS}\n")

    def _say_who_is_away(self) -> None:
        """Servers that are not ours to start may not be there: the site itself is asked what it misses."""
        for name, said in probes.unwell(f"{self.base_url}/readyz").items():
            if name != "streamer":  # it has only begun
                self.terminal.say(
                    f"But {name} {said}: the rest waits for it. `.venv/bin/python manage.py doctor` says what to do."
                )

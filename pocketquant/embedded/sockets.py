"""Is there a server at a unix socket, and when is it ready?"""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Protocol

from pocketquant.embedded.child import Child
from pocketquant.embedded.errors import ServerDied, ServerTooSlow


class Server(Protocol):
    """A database server that we run."""

    child: Child

    def is_ready(self) -> bool: ...
    def explain_failure(self) -> None: ...


def accepts(path: Path) -> bool:
    """True if something accepts connections at the unix socket ``path``.

    A plain connect: waiting with a database client only looks every half second.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def wait_until_ready(server: Server, timeout_seconds: float = 60) -> None:
    """Return when it is ready. Raises ServerMissing, ServerDied, ServerTooSlow, ForeignServer."""
    deadline = time.monotonic() + timeout_seconds
    while not server.is_ready():
        if not server.child.is_running:
            server.explain_failure()
            raise ServerDied(server.child)
        if time.monotonic() > deadline:
            raise ServerTooSlow(server.child, timeout_seconds)
        time.sleep(0.01)

"""Waiting for a server's unix socket."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from pocketquant.embedded.child import Child
from pocketquant.embedded.errors import ServerDied, ServerTooSlow


def accepts(path: Path) -> bool:
    """True if something accepts connections at the unix socket ``path``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def wait_until_it_accepts(child: Child, path: Path, timeout_seconds: float) -> None:
    """Return when ``path`` accepts. Raises ServerDied, ServerTooSlow.

    A plain connect: waiting with pymongo only looks every half second.
    """
    deadline = time.monotonic() + timeout_seconds
    while not accepts(path):
        if not child.is_running:
            raise ServerDied(child)
        if time.monotonic() > deadline:
            raise ServerTooSlow(child, timeout_seconds)
        time.sleep(0.01)

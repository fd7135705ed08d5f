"""Ports: the one that was asked for, or the next free one."""

from __future__ import annotations

import errno
import socket

from pocketquant.embedded.errors import EmbeddedError

_TRIES = 50


def listen(host: str, port: int) -> socket.socket:
    """A listening socket at ``port`` or the first free one after it. Raises EmbeddedError.

    Whoever holds the socket never loses the port: the web server gets it by descriptor, and what connects while
    that server is being started again waits instead of being refused.
    """
    for candidate in range(port, min(port + _TRIES, 65_536)):
        try:
            return socket.create_server((host, candidate), family=socket.AF_INET, backlog=128)
        except PermissionError:
            raise EmbeddedError(f"Port {candidate} needs more rights than we have: use one from 1024 up.") from None
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise EmbeddedError(f"Cannot listen at {host}:{candidate}: {error.strerror or error}.") from None
    raise EmbeddedError(f"No free port at {host} from {port} to {candidate}.")


def free_port(host: str, port: int, *, besides: int = 0) -> int:
    """The first port from ``port`` on at which nobody listens, for a server that opens it itself."""
    while True:
        with listen(host, port + (port == besides)) as probe:
            found: int = probe.getsockname()[1]
        if found != besides:
            return found
        port = found + 1

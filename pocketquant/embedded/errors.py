"""What may go wrong with the servers we run; every message is meant for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pocketquant.embedded.child import Child


class EmbeddedError(Exception):
    """Base of the errors below; its text says what to do."""


class ServerMissing(EmbeddedError):
    """The executable is not here or cannot run on this machine."""


class ServerDied(EmbeddedError):
    """A server ended before it was ready."""

    def __init__(self, child: Child) -> None:
        lines = "\n".join(f"    {line}" for line in child.last_lines())
        super().__init__(f"{child.name} ended with code {child.exit_code}. The end of {child.log}:\n{lines}")


class ServerTooSlow(EmbeddedError):
    """A server was not ready in time."""

    def __init__(self, child: Child, seconds: float) -> None:
        super().__init__(f"{child.name} was not ready after {seconds:g} s; see {child.log}")


class ForeignServer(EmbeddedError):
    """Somebody else's server answers at our socket."""

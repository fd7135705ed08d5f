"""What a sync of one series asks of whoever runs it, and what it came to."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, Protocol


class SyncResult(NamedTuple):
    """What a sync did, in bars, and the open times of the outermost bars that the provider served.

    ``missing`` bars are still expected and might yet be had. ``truncated_before``: nothing older can be had, for
    ``reason``. ``resume_from``: all before it was done when the sync was told to stop; None if it came to its end.
    """

    inserted: int = 0
    replaced: int = 0
    unchanged: int = 0
    version: int = 0
    first: datetime | None = None
    last: datetime | None = None
    pages: int = 0
    missing: int = 0
    truncated_before: datetime | None = None
    reason: str = ""
    resume_from: datetime | None = None

    @property
    def is_changed(self) -> bool:
        return self.inserted + self.replaced > 0


class Guard(Protocol):
    """What whoever runs a sync has to say while it runs."""

    def ask(self, pages: int) -> bool:
        """Before a request: wait for the budget; False if it is time to stop."""

    def is_stopped(self) -> bool:
        """Before a page is stored: whether to stop there."""

    @property
    def fence(self) -> int | None:
        """The token of the lease under which bars are written."""


class Unguarded:
    """Goes on to the end, as fast as it can."""

    fence = None

    def ask(self, pages: int) -> bool:
        return True

    def is_stopped(self) -> bool:
        return False

"""What a killed supervisor left behind: its children were told to end by the kernel, and may be still at it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pocketquant.embedded.lock import Running, boot, started_at


def still_there(before: Running) -> list[int]:
    """Process ids of ``before`` that live on; a number that another process got meanwhile is not among them."""
    if before.boot != boot():
        return []
    return [int(pid) for pid, ticks in before.children.items() if ticks and started_at(int(pid)) == ticks]


def wait_for_end(before: Running, *, patience_seconds: float = 5) -> None:
    """Return when all are gone; SIGKILL those that outstay our patience, with their own children.

    Two servers must not work on one folder, and an old one that ends removes the new one's socket.
    """
    deadline = time.monotonic() + patience_seconds
    while left := still_there(before):
        if time.monotonic() > deadline:
            for pid in left:
                _kill_group(pid)
        time.sleep(0.02)
    if before.boot == boot():
        for group in {_group(pid) for pid in _python_processes()} & {int(pid) for pid in before.children}:
            if not started_at(group):  # its leader is gone: forked workers of a killed job cluster, for one
                _kill_group(group)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _python_processes() -> Iterator[int]:
    """Process ids that run the interpreter that runs us."""
    ours = Path(sys.executable).resolve()
    for entry in Path("/proc").glob("[0-9]*/exe"):
        with contextlib.suppress(OSError):
            if entry.readlink() == ours:
                yield int(entry.parent.name)


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0

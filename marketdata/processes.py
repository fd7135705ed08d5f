"""Who works: processes named so that others on the same machine can tell whether they still live."""

from __future__ import annotations

import functools
import os
import socket
from pathlib import Path

_PROC = Path("/proc")


def own_name() -> str:
    """``host/boot/namespace:pid:start`` of this process: no other process ever has the same."""
    return _name_of(os.getpid())


def is_known_dead(name: str) -> bool:
    """Whether the process of this name has ended for sure. One on another machine, or of before a reboot of unknown
    machines, may be alive for all we know: its lease has to run out.
    """
    place, _, rest = name.partition(":")
    pid, _, start = rest.partition(":")
    if place != _place() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _started(int(pid)) != start or _is_zombie(int(pid))


@functools.lru_cache(maxsize=4)  # by pid, since a fork has another
def _name_of(pid: int) -> str:
    return f"{_place()}:{pid}:{_started(pid)}"


@functools.cache
def _place() -> str:
    """Where pids mean the same: this machine since it was booted, within its container."""
    return "/".join((socket.gethostname()[:40], _boot_id(), _pid_namespace()))


def _boot_id() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:  # not Linux
        return "-"


def _pid_namespace() -> str:
    try:
        return str((_PROC / "self/ns/pid").stat().st_ino)
    except OSError:
        return "-"


def _started(pid: int) -> str:
    """When the process started, in ticks since boot; ``-`` where the system does not tell."""
    fields = _stat(pid)
    return fields[19] if fields else "-"


def _is_zombie(pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and fields[0] == "Z"


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name, which may hold blanks and brackets."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []

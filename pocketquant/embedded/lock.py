"""`var/up.json`: locked while a supervisor runs on this data folder, and telling others where things are.

Imported by the settings, so no Django here.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

FILE_NAME = "up.json"


@dataclass
class Running:
    """What a supervisor says of itself. ``children`` maps a pid to when it started, in ticks since boot."""

    pid: int = 0
    boot: str = ""
    url: str = ""
    demo_market_url: str = ""
    children: dict[str, int] = field(default_factory=dict)


class AlreadyRunning(Exception):
    """Another supervisor holds the folder."""

    def __init__(self, running: Running) -> None:
        super().__init__(f"PocketQuant is already running (pid {running.pid}) at {running.url or 'an address to come'}")
        self.running = running


class Lock:
    """Held from construction until ``release`` or the end of the process, however it ends."""

    def __init__(self, var: Path) -> None:
        """Raises AlreadyRunning."""
        self.path = var / FILE_NAME
        self._file: IO[str] = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise AlreadyRunning(read(var)) from None
        self.before = _parse(self._file.read())  # not empty if the last supervisor was killed
        self.running = Running(pid=os.getpid(), boot=boot())
        self.write()

    def write(self) -> None:
        self._file.seek(0)
        self._file.write(json.dumps(asdict(self.running)))
        self._file.truncate()
        self._file.flush()

    def release(self) -> None:
        """An orderly end leaves an empty file. It is never removed: two could hold locks on two files of one name."""
        self._file.seek(0)
        self._file.truncate()
        self._file.close()


def read(var: Path) -> Running:
    """What the supervisor of ``var`` says, empty values if there is none."""
    try:
        return _parse((var / FILE_NAME).read_text())
    except (FileNotFoundError, PermissionError):
        return Running()


def alive(var: Path) -> Running | None:
    """The supervisor that runs on ``var`` now."""
    running = read(var)
    return running if running.pid and running.boot == boot() and started_at(running.pid) else None


def _parse(text: str) -> Running:
    try:
        values: Any = json.loads(text or "{}")
        return Running(**values)
    except (ValueError, TypeError):  # cut short, or of another version
        return Running()


def started_at(pid: int) -> int:
    """When process ``pid`` started, in ticks since boot; 0 if there is none. 1 where /proc does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return _exists(pid) if not Path("/proc/self/stat").exists() else 0
    except ProcessLookupError:
        return 0
    state, *rest = stat.rpartition(") ")[2].split()
    return 0 if state == "Z" else int(rest[18])


def boot() -> str:
    """Names this run of the machine: process ids mean something within one only."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except FileNotFoundError:
        return ""


def _exists(pid: int) -> int:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return 0
    except PermissionError:
        return 1
    return 1

"""Looking at processes, waiting for what they do."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path


def until(condition, timeout_seconds=30.0, what=""):
    """The first true value of ``condition()``; fails the test when none comes in time."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        if value := condition():
            return value
        assert time.monotonic() < deadline, f"did not happen in {timeout_seconds} s: {what or condition}"
        time.sleep(0.02)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def with_environment(name, value):
    """Pids of all living processes with this variable: children and their children, whoever their parent is now."""
    wanted = f"{name}={value}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0") and is_alive(entry.name):
                found.append(int(entry.name))
    return found


def child_of_supervisor(folder, mark):
    """Pid of the living child whose command holds ``mark``, as the supervisor of ``folder`` wrote it down."""
    for pid in json.loads((folder / "up.json").read_text() or "{}").get("children", {}):
        with contextlib.suppress(FileNotFoundError):
            if mark in Path(f"/proc/{pid}/cmdline").read_text() and is_alive(pid):
                return int(pid)
    return None


class Running:
    """A process in a session of its own whose output is read as it comes."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, **options
        )
        self.lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def text(self):
        return "\n".join(self.lines)

    def wait_for(self, text, timeout_seconds=60.0, after=0):
        """The line that holds ``text``, at index ``after`` or later."""

        def look():
            for line in self.lines[after:]:
                if text in line:
                    return line
            assert self.process.poll() is None or self._reader.is_alive(), f"ended without {text!r}:\n{self.text}"
            return None

        return until(look, timeout_seconds, f"{text!r} in:\n{self.text}")

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout_seconds=30.0):
        code = self.process.wait(timeout_seconds)
        self._reader.join(5)
        return code

    def end(self):
        """Whatever happened in the test, nothing is left."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(5)

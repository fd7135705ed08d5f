"""One child process: started in a session of its own, writing to a log file, and never outliving us."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _die_with(parent: int) -> None:
    """Run in the child before exec: the kernel sends it SIGTERM when the thread that started it ends.

    Hence children must be started from the main thread. Elsewhere than on Linux there is no such call.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the call above
            os.kill(os.getpid(), signal.SIGTERM)


class Child:
    """A process with a name and a log. It may be started again after it ended."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
        nice: int = 0,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.env = dict(env) if env is not None else None
        self.cwd = cwd
        self.pass_fds = tuple(pass_fds)
        self.nice = nice
        self.started_at = 0.0  # monotonic seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def start(self) -> None:
        parent = os.getpid()

        def before_exec() -> None:
            _die_with(parent)
            if self.nice:
                os.nice(self.nice)

        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._log_start = output.tell()
            self._process = subprocess.Popen(  # noqa: S603 - the command is our own list, no shell
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.cwd,
                pass_fds=self.pass_fds,
                start_new_session=True,
                preexec_fn=before_exec,
            )
        self.started_at = time.monotonic()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """None while it runs or before it was started; minus the signal's number if a signal ended it."""
        return self._process.poll() if self._process else None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait(self, timeout_seconds: float) -> bool:
        """True if it has ended within that time."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def terminate(self) -> None:
        """Ask the process itself to end; its own children are its own business."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def kill_group(self) -> None:
        """SIGKILL whatever is left of its session: also children that outlived their parent."""
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return  # nobody left; macOS answers EPERM where only a zombie remains
        self._process.wait()

    def stop(self, timeout_seconds: float = 15) -> bool:
        """SIGTERM, wait, then SIGKILL for what is left. True if it ended by itself."""
        self.terminate()
        ended = self.wait(timeout_seconds)
        self.kill_group()
        return ended

    def last_lines(self, count: int = 15) -> list[str]:
        """The end of what this run of the process wrote."""
        try:
            with self.log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self._log_start if self._log_start <= size else 0, size - 16_384))
                return file.read().decode(errors="replace").splitlines()[-count:]
        except FileNotFoundError:
            return []

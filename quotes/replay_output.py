"""Where a replay's lines and words go: files that appear when complete, and streams that may be closed or full."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO

from domain.errors import PocketQuantError

_SAY_SECONDS = 10.0
_REDRAW_SECONDS = 0.2
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)
_STDOUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")

Write = Callable[[bytes], object]


class OutputFailed(PocketQuantError):
    """Lines cannot be written; the message says where and why."""


class Words:
    """Speaks on stderr, where only people listen: if that is full or closed, the replay goes on in silence.

    How far it is rewrites a line on a terminal, else it is a line each 10 s; ``quiet`` leaves that out.
    """

    def __init__(self, write: Callable[..., None], *, quiet: bool) -> None:
        self._write, self._is_quiet = write, quiet
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._next = time.monotonic() + (0 if self._is_terminal else _SAY_SECONDS)

    def say(self, text: str, *, ending: str = "\n") -> None:
        try:
            self._write(text, ending=ending)
        except OSError:
            silence(sys.stderr)

    def at(self, ticks: int) -> None:
        now = time.monotonic()
        if self._is_quiet or now < self._next:
            return
        self._next = now + (_REDRAW_SECONDS if self._is_terminal else _SAY_SECONDS)
        if self._is_terminal:
            self.say(f"\r{ticks:,} ticks", ending="")
        else:
            self.say(f"{ticks:,} ticks")

    def end(self, ticks: int, out_of_session: int) -> None:
        if not self._is_quiet:
            left_out = f", {out_of_session:,} of them outside every session" if out_of_session else ""
            start = "\r" if self._is_terminal else ""
            self.say(f"{start}{ticks:,} ticks{left_out}")


def silence(stream: IO[str] | None) -> None:
    """Lead a standard stream nowhere, so that Python does not fail once more when it flushes it at the end."""
    with contextlib.suppress(AttributeError, OSError, ValueError):  # closed from the start, or no stream of the system
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]  # None is suppressed above
        finally:
            os.close(nowhere)


@contextlib.contextmanager
def lines_to(target: str, stdout: Callable[[str], None]) -> Iterator[Write]:
    """Where lines go. A file appears when it is complete, so that a failure leaves none and no half of one.

    Raises OutputFailed, and BrokenPipeError once whoever read our stdout has gone.
    """
    path = Path(target)
    try:
        if target in _STDOUT and sys.stdout is None:
            raise OutputFailed("stdout is closed")
        if target == "-":
            yield _to_stdout(stdout)
        elif path.exists() and not path.is_file():  # a pipe or a device, which must not be replaced
            with path.open("wb", buffering=0) as file:
                yield _checked(target, file)
        else:
            with _aside(path.resolve()) as file:
                yield _checked(target, file)
    except BrokenPipeError:
        silence(sys.stdout)
        raise


def _to_stdout(stdout: Callable[[str], None]) -> Write:
    """At once: whoever reads a replay in real time must not wait for a buffer to fill."""

    def write(lines: bytes) -> None:
        try:
            stdout(lines.decode())
        except BrokenPipeError:
            raise
        except OSError as error:
            silence(sys.stdout)
            raise OutputFailed(f"stdout: {error.strerror}") from error

    return write


def _checked(target: str, file: IO[bytes]) -> Write:
    def write(lines: bytes) -> None:
        left = memoryview(lines)
        try:
            while left:
                left = left[file.write(left) :]  # a pipe may take a part
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputFailed(f"{target}: {error.strerror}") from error

    return write


@contextlib.contextmanager
def _aside(path: Path) -> Iterator[IO[bytes]]:
    """A file beside ``path`` that takes its place at the end, or goes."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with aside.open("xb", buffering=0) as file:
            yield file
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def ending_cleanly(say: Callable[[str], None]) -> Iterator[None]:
    """Within, SIGTERM and SIGHUP end us as an exception does: nothing half done stays behind. nohup is heeded."""

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # once is enough, and cleaning up takes a moment
        say(f"ended by {signal.Signals(number).name}; run it again to begin anew, which is safe")
        sys.exit(128 + number)

    is_main = threading.current_thread() is threading.main_thread()  # no other may ask for signals
    taken = {number: signal.getsignal(number) for number in _ENDINGS if is_main}
    # One that is ignored (nohup) stays so; None is a handler that cannot be put back.
    taken = {number: handler for number, handler in taken.items() if handler not in (signal.SIG_IGN, None)}
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)

"""The loop that starts the parts, starts them again when they die, and ends them in order.

It never waits for one part: each turn looks at all of them, so that several may start, die or end at once.

A part that dies is started again, and the others go on, since each waits by itself for what it misses. One that keeps
dying ends all with its last words while we start, when somebody is watching; later only if it is vital: stored bars are
worth serving without a streamer.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from pocketquant.embedded import logfiles
from pocketquant.embedded.errors import EmbeddedError
from pocketquant.embedded.lock import Lock, started_at
from pocketquant.embedded.part import Part, State
from pocketquant.embedded.terminal import Terminal

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STOP_SECONDS = 15.0
_HURRIED_SECONDS = 3.0
_BUSY_TURN_SECONDS = 0.02
_CALM_TURN_SECONDS = 1.0
_LOG_TURN_SECONDS = 5.0
_REMINDER_SECONDS = 20.0


class Supervisor:
    """``on_ready`` is called once, when all parts are there; ``on_done`` with each part that has run to its end."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        lock: Lock,
        terminal: Terminal,
        logs: Path,
        on_done: Callable[[Part], None],
        on_ready: Callable[[], None],
    ) -> None:
        self.parts = list(parts)
        self._lock = lock
        self._terminal = terminal
        self._logs = logs
        self._on_done = on_done
        self._on_ready = on_ready
        self._was_ready = False
        self._signals = 0
        self._next_log_turn = 0.0
        self._began = time.monotonic()
        self._next_reminder = self._began + _REMINDER_SECONDS
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        os.set_blocking(self._wake_read, False)

    def run(self) -> int:
        """Until a signal ends it: 0. Until a part cannot be kept alive: 1, after saying why."""
        self._listen_to_signals()
        code = 0
        try:
            while not self._signals:
                self._turn()
                self._sleep(_CALM_TURN_SECONDS if self._is_calm() else _BUSY_TURN_SECONDS)
        except EmbeddedError as error:
            self._terminal.say(str(error))
            code = 1
        finally:
            self._stop()
        return code

    # Signals

    def _listen_to_signals(self) -> None:
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_stop_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # the wake-up is all that we want of it

    def _on_stop_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1

    def _sleep(self, seconds: float) -> None:
        """Until a signal or the end of a child, at most ``seconds``."""
        if select.select([self._wake_read], [], [], seconds)[0]:
            os.read(self._wake_read, 4096)

    # Running

    def _is_calm(self) -> bool:
        return all(part.is_settled for part in self.parts)

    def _turn(self) -> None:
        now = time.monotonic()
        for part in self.parts:
            if part.state is State.WAITING and now >= part.retry_at:
                self._start(part)
            elif part.state in (State.STARTING, State.READY):
                self._look_at(part, now)
        if not self._was_ready:
            if self._is_calm():
                self._was_ready = True
                self._on_ready()
            else:
                self._say_what_is_missing(now)
        if now >= self._next_log_turn:
            self._next_log_turn = now + _LOG_TURN_SECONDS
            logfiles.bound(self._logs)

    def _start(self, part: Part) -> None:
        part.start()
        part.state = State.STARTING
        self._lock.running.children = {
            str(one.child.pid): started_at(one.child.pid)
            for one in self.parts
            if one.child.pid and one.child.is_running
        }
        self._lock.write()

    def _look_at(self, part: Part, now: float) -> None:
        if not part.child.is_running:
            self._after_end(part, now)
        elif part.state is State.STARTING and part.is_ready():
            part.state = State.READY
            self._say_ready(part, "ready")

    def _say_ready(self, part: Part, word: str) -> None:
        if part.deaths:
            part.was_given_up = False
            self._terminal.say(f"{part.name} is back.")
        else:
            self._terminal.say(f"  {part.name:<10}{word} after {time.monotonic() - self._began:.1f} s")

    def _after_end(self, part: Part, now: float) -> None:
        part.child.kill_group()  # its own children, if it left any
        if part.runs_once and part.child.exit_code == 0:
            part.state = State.DONE
            self._say_ready(part, "done")
            self._on_done(part)
            return
        what = part.exit_in_words()
        part.explain_failure()
        delay = part.died(now)
        lines = "\n".join(f"    {line}" for line in part.child.last_lines())
        words = f"The end of {part.child.log}:\n{lines}"
        if part.keeps_dying and (part.is_vital or not self._was_ready):
            raise EmbeddedError(f"{what}, which cannot go on. {words}")
        if part.keeps_dying and not part.was_given_up:
            part.was_given_up = True
            self._terminal.say(f"{what}, again; the rest goes on without it, and it is tried now and then. {words}")
        elif not part.was_given_up:
            self._terminal.say(f"{what}; starting it again{f' in {delay:g} s' if delay else ''}.")

    def _say_what_is_missing(self, now: float) -> None:
        if now >= self._next_reminder:
            self._next_reminder = now + _REMINDER_SECONDS
            missing = ", ".join(part.name for part in self.parts if not part.is_settled)
            self._terminal.say(f"Still waiting for {missing}; see {self._logs}")

    # Ending

    def _stop(self) -> None:
        began, signals = time.monotonic(), self._signals
        self._terminal.say("Stopping ...")
        for part in self.parts:
            if not part.child.is_running:
                part.child.kill_group()
                part.state = State.ENDED
        while any(part.state is not State.ENDED for part in self.parts):
            if self._signals > signals:
                signals = self._signals
                self._hurry()
            for part in self.parts:
                self._stop_step(part)
            self._sleep(_BUSY_TURN_SECONDS)
        self._terminal.say(f"Stopped in {time.monotonic() - began:.1f} s.")

    def _stop_step(self, part: Part) -> None:
        if part.state is State.ENDED:
            return
        if not part.stop_by:
            if all(other.state is State.ENDED for other in self.parts if other.name in part.outlives):
                part.stop_by = time.monotonic() + _STOP_SECONDS
                part.child.terminate()
            return
        if part.child.is_running and time.monotonic() < part.stop_by:
            return
        if part.child.is_running:
            self._terminal.say(f"{part.name} did not end in time and was killed.")
        part.child.kill_group()
        part.state = State.ENDED

    def _hurry(self) -> None:
        """A second signal: whoever asks twice waits three seconds more, not fifteen."""
        for part in self.parts:
            if part.state is not State.ENDED:
                self._terminal.say(f"Waiting for {part.name} ...")
                part.stop_by = min(part.stop_by, time.monotonic() + _HURRIED_SECONDS) if part.stop_by else 0.0

"""What the supervisor says: to the terminal, and to its log what is not secret."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path


class Terminal:
    """Lines for people on stdout; the same as JSON in ``log``."""

    def __init__(self, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log

    def say(self, text: str) -> None:
        self._print(text)
        line = {"timestamp": datetime.now(UTC).isoformat(), "logger": "up", "event": text}
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def whisper(self, text: str) -> None:
        """To the terminal only: a secret."""
        self._print(text)

    def _print(self, text: str) -> None:
        try:
            print(text, flush=True)
        except OSError:  # the terminal is gone, as after SIGHUP; the log has it
            sys.stdout = open("/dev/null", "w")  # noqa: SIM115, PTH123 - for the rest of the process

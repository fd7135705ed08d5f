"""How far a command is, on stderr: a bar on a terminal, else a line each ten seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from tqdm import tqdm

_LINE_SECONDS = 10.0


class Progress:
    """``advance`` it by what is done; ``words`` follow the figures."""

    def __init__(
        self,
        total: int,
        unit: str,
        *,
        stream: TextIO | None = None,
        is_quiet: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream or sys.stderr
        self._is_quiet, self._monotonic = is_quiet, monotonic
        self._is_terminal = self._stream.isatty()
        self._total, self._unit, self._done, self._words = total, unit, 0, ""
        self._next_line = monotonic() + _LINE_SECONDS
        shows_bar = self._is_terminal and not is_quiet
        self._bar = tqdm(total=total, unit=f" {unit}", file=self._stream, disable=not shows_bar, dynamic_ncols=True)

    def advance(self, count: int, words: str = "") -> None:
        self._done += count
        self._words = words
        self._bar.set_postfix_str(words, refresh=False)
        self._bar.update(count)
        if not self._is_terminal and not self._is_quiet and self._monotonic() >= self._next_line:
            self._next_line = self._monotonic() + _LINE_SECONDS
            self.say(f"{self._done:,} of {self._total:,} {self._unit}{', ' + words if words else ''}")

    def say(self, line: str, *, always: bool = False) -> None:
        """A line of its own, above the bar if there is one; ``always``: even where all is to be quiet."""
        if always or not self._is_quiet:
            tqdm.write(line, file=self._stream)

    def close(self) -> None:
        self._bar.close()


@contextmanager
def progress(total: int, unit: str, *, stream: TextIO | None = None, is_quiet: bool = False) -> Iterator[Progress]:
    """A Progress for the length of a block."""
    shown = Progress(total, unit, stream=stream, is_quiet=is_quiet)
    try:
        yield shown
    finally:
        shown.close()

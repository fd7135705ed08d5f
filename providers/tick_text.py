"""Opens a recording, plain or gzip, file or pipe, as text."""

from __future__ import annotations

import contextlib
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LONGEST_LINE = 4_096
_GZIP_MAGIC = b"\x1f\x8b"
_BUFFER_BYTES = 256 * 1024


class _PutBack(io.RawIOBase):
    """A file after its first bytes were looked at, with these in front again: a pipe cannot be rewound."""

    def __init__(self, head: bytes, rest: io.FileIO) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if not self._head:
            return self._rest.readinto(buffer)
        room = memoryview(buffer).cast("B")
        taken = self._head[: len(room)]
        self._head = self._head[len(taken) :]
        room[: len(taken)] = taken
        return len(taken)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[str]]:
    """Text of a plain or gzip file, told apart by its first bytes; every kind of line end becomes a newline.

    It is opened once, so that pipes will do. Bytes that are no UTF-8 survive as lone surrogates: in a column we read
    they are refused with their line.
    """
    with path.open("rb", buffering=0) as file:
        head = b""
        while len(head) < len(_GZIP_MAGIC) and (more := file.read(len(_GZIP_MAGIC) - len(head))):
            head += more
        whole = io.BufferedReader(_PutBack(head, file), _BUFFER_BYTES)
        plain = gzip.GzipFile(fileobj=whole) if head == _GZIP_MAGIC else whole
        with io.TextIOWrapper(plain, encoding="utf-8-sig", errors="surrogateescape", newline=None) as text:
            yield text


def header_line(text: IO[str]) -> tuple[int, str]:
    """Number and content of the first line that is not blank; an empty one if there is none."""
    line = 1
    while content := text.readline(LONGEST_LINE):
        if not content.isspace():
            break
        line += 1
    return line, content

"""Keeps log files bounded, whoever writes them."""

from __future__ import annotations

import shutil
from pathlib import Path

LIMIT_BYTES = 10_000_000


def bound(folder: Path, *, limit_bytes: int = LIMIT_BYTES) -> list[Path]:
    """Move the text of each too long ``*.log`` to ``*.log.1``; return those files.

    Copied and cut, not renamed: the writers append to an open file and need not be told. What is written in the
    instant between the copy and the cut is lost, which a log may be.
    """
    cut = []
    for path in folder.glob("*.log"):
        if path.stat().st_size > limit_bytes:
            shutil.copyfile(path, path.with_name(path.name + ".1"))
            with path.open("r+b") as file:
                file.truncate(0)
            cut.append(path)
    return cut

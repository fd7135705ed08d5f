"""Where the embedded servers keep their files and sockets. Imported by the settings, so no Django here."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from urllib.parse import quote_plus

from pocketquant.embedded.errors import EmbeddedError

# Both servers refuse a socket path of 108 bytes or more; `mongod.sock` and a lock beside it must fit too.
_LONGEST_RUN_DIR = 80


def run_dir(var: Path) -> Path:
    """The folder of sockets for the data folder ``var``: inside it, or private in the temporary folder if too long."""
    inside = var / "run"
    if len(os.fsencode(inside)) <= _LONGEST_RUN_DIR:
        return inside
    digest = hashlib.sha256(os.fsencode(var)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"pocketquant-{os.getuid()}-{digest}"


def mongodb_uri(var: Path) -> str:
    return f"mongodb://{quote_plus(str(run_dir(var) / 'mongod.sock'))}/?directConnection=true"


def redis_url(var: Path) -> str:
    return f"unix://{run_dir(var) / 'valkey.sock'}"


def make_run_dir(var: Path) -> Path:
    """The folder of sockets, private to us. Raises EmbeddedError if somebody else could reach into it."""
    folder = run_dir(var)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = folder.lstat()
    # In the temporary folder anybody may have made one of this name before us.
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise EmbeddedError(f"{folder} is open to others; remove it, or make it yours alone with: chmod 700 {folder}")
    return folder

"""Peers live in a virtual environment of the benchmarks' own, so that none of their packages is ever ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VAR = Path(os.environ.get("POCKETQUANT_VAR", ROOT / "var"))
FOLDER = VAR / "bench-venv"
PYTHON = FOLDER / "bin" / "python"
_INSTALL_SECONDS = 600


class PeerMissing(Exception):
    """A peer cannot be run here; the message says why."""


def interpreter(package: str, version: str) -> Path:
    """A Python that has ``package``, installing it when it is not there yet. Raises PeerMissing."""
    if _version_of(package) != version:
        _make_environment()
        print(f"installing {package} {version} into {FOLDER} …", file=sys.stderr, flush=True)
        _run([*_installer(), f"{package}=={version}"], f"{package} {version} cannot be installed")
    return PYTHON


def _version_of(package: str) -> str | None:
    if not PYTHON.exists():
        return None
    script = f"import importlib.metadata as m; print(m.version({package!r}))"
    found = subprocess.run([PYTHON, "-c", script], capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else None


def _make_environment() -> None:
    if not PYTHON.exists():
        _run([sys.executable, "-m", "venv", str(FOLDER)], "no virtual environment can be made")


def _installer() -> list[str]:
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", str(PYTHON)]
    return [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _run(command: list[str], failure: str) -> None:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise PeerMissing(f"{failure}: no end after {_INSTALL_SECONDS} s") from error
    if ended.returncode:
        lines = [line for line in ended.stderr.splitlines() if line.strip()]
        reason = next((line for line in lines if line.lower().startswith("error")), lines[-1] if lines else "")
        raise PeerMissing(f"{failure}: {reason.strip() or f'exit code {ended.returncode}'}")

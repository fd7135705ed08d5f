"""Runs a real supervisor over toy processes: `python -m tests.pocketquant.toys FOLDER JSON`.

JSON lists the parts: name, code (Python), outlives, stop_seconds. A child in the way of its signals can so be had
without a database.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pocketquant.embedded import part, supervisor
from pocketquant.embedded.child import Child
from pocketquant.embedded.lock import Lock
from pocketquant.embedded.part import Part
from pocketquant.embedded.terminal import Terminal


def main() -> int:
    folder, description = Path(sys.argv[1]), json.loads(sys.argv[2])
    supervisor._STOP_SECONDS = description.get("stop_seconds", 15)
    part._FIRST_DELAY_SECONDS = description.get("first_delay", 0.5)
    lock = Lock(folder)
    parts = [toy(folder, **each) for each in description["parts"]]
    terminal = Terminal(folder / "up.log")
    run = supervisor.Supervisor(
        parts,
        lock=lock,
        terminal=terminal,
        logs=folder,
        on_done=lambda done: terminal.say(f"{done.name} is done"),
        on_ready=lambda: terminal.say("all are ready"),
    )
    code = run.run()
    lock.release()
    return code


def toy(folder: Path, *, name: str, code: str, outlives: list[str] = (), **options: bool) -> Part:
    """It is ready once it has made a file of its name."""
    child = Child(name, [sys.executable, "-c", code, str(folder / name)], log=folder / f"{name}.log")
    return Part(child, child.start, (folder / name).exists, outlives=tuple(outlives), **options)


if __name__ == "__main__":
    sys.exit(main())

"""``make fuzz``: the API by its schema, thousands of cases, a seed after the other; goes on where it was stopped."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

PROGRESS = Path("var/fuzz.json")
_EXAMPLES = 50  # of each operation, for each seed


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=5_000, help="stop after so many (%(default)s)")
    parser.add_argument("--anew", action="store_true", help="forget what an earlier run has done")
    options = parser.parse_args()
    if options.anew:
        PROGRESS.unlink(missing_ok=True)
    seed, cases = json.loads(PROGRESS.read_text()) if PROGRESS.exists() else (1, 0)
    while cases < options.cases:
        found = _run(seed)
        if found is None:
            return 1
        seed, cases = seed + 1, cases + found
        PROGRESS.parent.mkdir(exist_ok=True)
        PROGRESS.write_text(json.dumps([seed, cases]))
        print(f"{cases:,} of {options.cases:,} cases, all answered as the schema says", flush=True)
    PROGRESS.unlink(missing_ok=True)
    return 0


def _run(seed: int) -> int | None:
    """One seed: how many cases it was, None if one of them failed."""
    command = [sys.executable, "-m", "pytest", "-q", "-s", "--durations=0", "-p", "no:logging", "tests/fuzz"]
    environment = os.environ | {"FUZZ_SEED": str(seed), "FUZZ_EXAMPLES": str(_EXAMPLES)}
    # A slice takes longer than a test may.
    done = subprocess.run([*command, "--timeout=1200"], env=environment, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout[-20_000:], done.stderr[-2_000:], sep="\n")
        print(f"again: FUZZ_SEED={seed} FUZZ_EXAMPLES={_EXAMPLES} {' '.join(command)}")
        return None
    return sum(int(count) for count in re.findall(r"^\W*(\d+) cases$", done.stdout, re.MULTILINE))


if __name__ == "__main__":
    sys.exit(main())

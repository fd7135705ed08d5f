"""``make chaos``: what takes minutes to break. Each scenario goes on where it was stopped; ``--anew`` begins again."""

from __future__ import annotations

import argparse
import subprocess
import sys

SCENARIOS = {"sync_kills": "50 symbols x 13 intervals synced by a cluster that is killed five times"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--anew", action="store_true", help="forget what was done so far")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other moments")
    options = parser.parse_args()
    if unknown := set(options.names) - set(SCENARIOS):
        parser.error(f"no scenario called {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    failed = []
    for name in options.names or SCENARIOS:
        print(f"== {name}: {SCENARIOS[name]}", flush=True)
        command = [sys.executable, "-m", f"tests.chaos.{name}", "--seed", str(options.seed)]
        if subprocess.run([*command, *(["--anew"] if options.anew else [])], check=False).returncode:
            failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "all held")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

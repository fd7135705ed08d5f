"""Runs the benchmarks one after the other, each in its own process: ``python -m benchmarks [NAME …] [--quick]``."""

from __future__ import annotations

import argparse
import subprocess
import sys

BENCHMARKS = {
    "fold": "ticks to bars of 13 intervals, beside NautilusTrader",
    "wire": "text of the wire to ticks, beside a bare JSON decode",
    "store": "closed bars to MongoDB, beside a bare insert_many and upserts",
    "sync": "history from the demo market into the store, beside the provider's bare answers",
    "coverage": "a year of minutes of a hundred symbols summed, beside reading their keys",
    "arrays": "half a million bars as NumPy columns, beside a plain find and ArcticDB",
    "api": "bars over HTTP, beside serializer classes and a bare view",
    "fanout": "live messages to many sockets, beside the channel layer and frames made once",
}


def main() -> int:
    """Run what was asked for; the exit code tells whether every benchmark ran to its end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="a small sample: shows that it runs, not how fast")
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark called {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    failed = []
    for name in options.names or BENCHMARKS:
        print(f"\n== {name}: {BENCHMARKS[name]}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *(["--quick"] if options.quick else [])]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nended with an error: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""`manage.py up`: everything with one command. No Django in this process, so that the servers start at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="manage.py up",
        description="Example: manage.py up --port 8080\n\nStarts MongoDB, Valkey, web, worker, streamer and demo "
        "market, and keeps them running until Ctrl-C.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--host", help="address to listen at (default: POCKETQUANT_HOST or 127.0.0.1)")
    result.add_argument("--port", type=_port, help="port of the site (default: POCKETQUANT_PORT or 8000)")
    result.add_argument("--no-demo", action="store_true", help="without the demo market and its symbols")
    return result


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text} is not a port from 1 to 65535")
    return int(text)


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: 0 ended by a signal, 1 failed, 2 wrong use or wrong settings."""
    options = parser().parse_args(arguments)
    try:
        from pocketquant.embedded import session  # imports the settings, which check themselves
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr)
        return 2
    return session.run(host=options.host, port=options.port, with_demo=not options.no_demo)

"""Runs one of our processes, whose imports happen while others get ready.

Called as ``python -m pocketquant.embedded.gate FD web|manage ARGUMENTS``: everything is imported, then we wait until
the other end of the pipe FD is closed (the database is migrated), then the program proper begins. FD ``-``: no wait.
Imports are most of a start, a second and more of work for each process.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

# The job cluster forks its workers, and new ones now and then; each would import these anew.
_BEFORE_FORK = {"qcluster": ("exchange_calendars", "marketdata.tasks")}


def main() -> None:
    _, gate, program, *arguments = sys.argv
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pocketquant.settings")
    import django

    django.setup()
    run = {"web": _web, "manage": _command}[program]
    run(arguments, gate)


def _wait(gate: str) -> None:
    if gate != "-":
        with os.fdopen(int(gate), "rb") as pipe:
            pipe.read()


def _web(arguments: list[str], gate: str) -> None:
    from daphne.cli import CommandLineInterface

    import pocketquant.asgi
    import pocketquant.urls  # noqa: F401 - all views, which the first request would import otherwise

    _wait(gate)
    CommandLineInterface().run(arguments)


def _command(arguments: list[str], gate: str) -> None:
    from django.core.management import CommandError, call_command, get_commands, load_command_class

    name, *rest = arguments
    command = load_command_class(get_commands()[name], name)
    for module in _BEFORE_FORK.get(name, ()):
        import_module(module)
    _wait(gate)
    try:
        # Called so, without system checks: those import every view, which only the web process needs.
        call_command(command, *rest)
    except CommandError as error:
        sys.exit(f"{name}: {error}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python
"""Command line of the project: `python manage.py help`."""

import os
import sys


def main() -> int:
    if sys.stderr is None:  # closed from the start: whatever would say a word there would fail, logging before all
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115  # as long as the process, and pathlib costs 10 ms
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pocketquant.settings")
    if sys.argv[1:2] == ["up"]:
        # Before Django is set up, which takes a second: the servers start meanwhile.
        from pocketquant.embedded.up import main as up

        return up(sys.argv[2:])
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # while a command still loads; those that run end in their own words
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

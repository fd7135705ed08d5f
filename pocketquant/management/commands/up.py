"""The same as `manage.py up`, for `call_command` and for the list of commands."""

from __future__ import annotations

import sys
from argparse import REMAINDER
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from pocketquant.embedded import up


class Command(BaseCommand):
    help = "Starts everything: MongoDB, Valkey, web, worker, streamer and demo market. Ends on Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("arguments", nargs=REMAINDER, help="--host, --port, --no-demo")

    def handle(self, *, arguments: list[str], **_: Any) -> None:
        sys.exit(up.main(arguments))

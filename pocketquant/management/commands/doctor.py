"""Looks at everything and says what to do where something is not well."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from pocketquant.diagnosis import FAIL, OK, WARN, examine


class Command(BaseCommand):
    help = (
        "Example: manage.py doctor\n\nChecks every part and prints a remedy for each fault. Exit code 1 if one fails."
    )
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one object a line")

    def handle(self, **options: Any) -> None:
        styles = {OK: self.style.SUCCESS, WARN: self.style.WARNING, FAIL: self.style.ERROR}
        has_failed = False
        for finding in examine():
            has_failed |= finding.status == FAIL
            if options["json"]:
                self.stdout.write(json.dumps(asdict(finding)))
                continue
            self.stdout.write(f"{styles[finding.status](f'{finding.status:<5}')}{finding.check:<13}{finding.said}")
            for line in finding.remedy.splitlines():
                self.stdout.write(f"{'':<18}-> {line}" if line.strip() else "")
        if has_failed:
            sys.exit(1)

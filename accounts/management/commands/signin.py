"""Prints a new one-time sign-in link."""

from __future__ import annotations

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from accounts import links, services
from accounts.models import User


class Command(BaseCommand):
    help = "Example: manage.py signin\n\nPrints a link that signs you in once, within 15 minutes; earlier links end."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", default=services.OWNER, help="who signs in (default: %(default)s)")
        parser.add_argument("--base-url", default=settings.BASE_URL, help="where the site is (default: %(default)s)")

    def handle(self, *, user: str, base_url: str, **_: Any) -> None:
        try:
            person = services.ensure_owner() if user == services.OWNER else User.objects.get(username=user)
            secret = services.make_sign_in_secret(user=person, now=timezone.now())
        except User.DoesNotExist:
            raise CommandError(f"There is nobody called {user}.") from None
        except DatabaseError as error:
            raise CommandError(f"The database is not ready ({error}). Run: manage.py migrate") from None
        url = links.sign_in_url(secret, base_url)
        links.write_link(url)
        self.stderr.write("This link works once, within 15 minutes:", self.style.SUCCESS)
        self.stdout.write(url)

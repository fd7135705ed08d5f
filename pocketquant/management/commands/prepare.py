"""What a start needs in the SQL database. Safe to repeat."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from accounts import links, services
from accounts.models import User

_LONGEST_PAUSE_SECONDS = 10.0


class Command(BaseCommand):
    help = "Example: manage.py prepare\n\nMigrates, makes the owner and registers the demo market's symbols."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--base-url", default=settings.BASE_URL, help="for the sign-in link of a first start")
        parser.add_argument("--no-demo", action="store_true", help="do not register the demo market's symbols")

    def handle(self, *, base_url: str, no_demo: bool, **_: Any) -> None:
        self._wait_for_database()
        if self._is_behind():
            call_command("migrate", interactive=False, verbosity=1, stdout=self.stdout)
        owner = services.ensure_owner()
        if not no_demo:
            call_command("symbols", "add-demo", stdout=self.stdout)
        if not User.objects.exclude(last_login=None).exists():
            secret = services.make_sign_in_secret(user=owner, now=timezone.now())
            path = links.write_link(links.sign_in_url(secret, base_url))
            self.stdout.write(f"Nobody has come in yet; a sign-in link is in {path}")

    def _wait_for_database(self) -> None:
        """A database server of somebody else's may come later than we do."""
        pause = 0.25
        while True:
            try:
                connection.ensure_connection()
                return
            except OperationalError as error:
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                self.stderr.write(f"The SQL database does not answer ({error}); next try in {pause:g} s.")
                time.sleep(pause)

    def _is_behind(self) -> bool:
        """Asked first: `migrate` with nothing to do takes longer than this question."""
        executor = MigrationExecutor(connection)
        return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))

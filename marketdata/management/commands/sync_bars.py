"""History in a terminal: provider -> store."""

from __future__ import annotations

import argparse
from typing import Any

from marketdata import runs
from marketdata.management.series import MOMENTS, Asked
from marketdata.management.syncing import SyncCommand
from marketdata.models import SyncRun


class Command(SyncCommand):
    examples = f"""examples:
  manage.py sync_bars DEMO:BTCUSD --interval 1h --start -90d
  manage.py sync_bars NASDAQ:AAPL                 all 13 intervals, as far back as the provider goes
  manage.py sync_bars --exchange DEMO --dry-run   what would be asked for, and about how long it would take

Only what is missing or unconfirmed is asked for; --everything asks for the whole range again and compares.
{MOMENTS}
exit code: 0 done (nothing to do as well), 1 failed, 2 wrong use, 3 some series failed or not whole, 130 interrupted.
"""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        usage = (
            "manage.py sync_bars NASDAQ:AAPL --interval 1h --start -90d\n"
            "       manage.py sync_bars [EXCHANGE:TICKER …] [--exchange …] [--interval …] [--start …] [--end …] …"
        )
        return super().create_parser(prog_name, subcommand, usage=usage, **kwargs)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--everything", action="store_true", help="not only what is missing: compare all")

    def order(self, asked: Asked) -> runs.Order:
        return runs.Order(
            series=asked.series,
            start=asked.start,
            end=asked.end,
            missing_only=not asked.options["everything"],
            priority=SyncRun.Priority.SOON,
        )

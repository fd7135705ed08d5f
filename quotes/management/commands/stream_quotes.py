"""The streamer: ticks become bars become messages."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from marketdata.tasks import queue_healing
from quotes.service import StreamService
from symbols.sources import provider_named


class Command(BaseCommand):
    help = """Follow every symbol that is marked for streaming: fold its ticks into bars of 13 intervals, store the
closed ones and publish the forming ones. Waits for whatever is away. SIGTERM and Ctrl-C drain and stop within 10 s.

example:
  manage.py stream_quotes
"""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--checkpoint",
            type=Path,
            default=Path(settings.VAR_DIR) / "streamer" / "checkpoint.json",
            help="where a stop leaves what the next start goes on with (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        asyncio.run(_stream(options["checkpoint"]))


async def _stream(checkpoint: Path) -> None:
    service = StreamService(open_provider=provider_named, queue_healing=queue_healing, checkpoint_path=checkpoint)
    await service.run_until_signalled()

"""What history does when something happens below it, or when a worker of the queue starts."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.dispatch import receiver
from django_q.signals import post_spawn

from marketdata.signals import split_found
from symbols.signals import symbol_added

if TYPE_CHECKING:
    from domain.splits import Adjustment


@receiver(symbol_added)
def start_first_sync(symbol: str, **kwargs: Any) -> None:
    from marketdata.models import SyncRun
    from marketdata.tasks import queue_sync  # the queue and MongoDB's driver, which few processes need

    queue_sync(symbol, SyncRun.Kind.FIRST)


@receiver(split_found)
def fetch_again(symbol: str, split: Adjustment, **kwargs: Any) -> None:
    """One series was found to be split: the others are too, and all of what the provider tells is new."""
    from domain.errors import UnknownSymbol
    from marketdata import resyncs

    with contextlib.suppress(UnknownSymbol):  # removed meanwhile
        resyncs.fetch_again(symbol, datetime.fromtimestamp(split.found_at, UTC))


@receiver(post_spawn)
def start_sweeping(**kwargs: Any) -> None:
    """In each worker, after it was forked: whatever a worker that was killed had in hand is taken up again."""
    from marketdata.sync_sweep import Sweeper

    Sweeper().start()

"""What history does when something happens below it."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from symbols.signals import symbol_added


@receiver(symbol_added)
def start_first_sync(symbol: str, **kwargs: Any) -> None:
    from marketdata.tasks import queue_sync  # the queue and MongoDB's driver, which few processes need

    queue_sync(symbol)

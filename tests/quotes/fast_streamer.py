"""``manage.py stream_quotes`` under a clock that runs fast: ``python -m tests.quotes.fast_streamer BEGAN MONOTONIC SPEED``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import django


def main() -> None:
    django.setup()
    from django.conf import settings

    from marketdata.tasks import queue_healing
    from providers import get_provider
    from quotes.service import StreamService
    from tests.quotes.running import FastClock

    clock = FastClock(*map(float, sys.argv[1:]))

    def open_provider(name: str) -> Any:
        url = settings.DEMO_MARKET_URL if name == "demo" else settings.TRADINGVIEW_URL
        return get_provider(name, url=url, clock=clock.ns)

    async def run() -> None:
        service = StreamService(
            open_provider=open_provider,
            queue_healing=queue_healing,
            checkpoint_path=Path(settings.VAR_DIR) / "streamer" / "checkpoint.json",
            clock_ns=clock.ns,
        )
        await service.run_until_signalled()

    asyncio.run(run())


if __name__ == "__main__":
    main()

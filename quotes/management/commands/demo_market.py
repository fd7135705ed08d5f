"""manage.py demo_market: the demo market on a port of its own."""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import os
import signal
import sys
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser

from providers.demo.clock import scaled_clock
from providers.demo.market import DemoMarket
from providers.demo.server import DemoServer


class Command(BaseCommand):
    help = "Serve invented prices over TradingView's wire. Nothing here is real; every symbol is DEMO:…"
    requires_system_checks: list[str] = []  # noqa: RUF012  # Django's own spelling; it uses no model and no database

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
        parser.add_argument("--port", type=_within(int, 0, 65_535), default=8765, help="0 takes any that is free")
        parser.add_argument("--seed", type=int, default=1, help="another seed, other prices")
        parser.add_argument("--speed", type=_within(float, 0.001, 10_000), default=1.0,
                            help="how many times faster than real time the market's clock runs")  # fmt: skip
        parser.add_argument("--symbols", type=_within(int, 0, 9_999), default=0,
                            help="how many synthetic symbols DEMO:SYN0001… to add, for load")  # fmt: skip
        parser.add_argument("--rate", type=_within(float, 0.001, 1_000), default=1.0,
                            help="trades a second of each synthetic symbol")  # fmt: skip
        parser.add_argument("--conflate", type=_within(int, 1, 10_000), default=1,
                            help="how many trades are merged into one quote update, as real feeds do")  # fmt: skip
        parser.add_argument("--always-open", action="store_true", help="every symbol trades round the clock")

    def handle(self, *args: Any, **options: Any) -> None:
        market = DemoMarket(
            options["seed"],
            clock=scaled_clock(options["speed"]),
            synthetic_count=options["symbols"],
            ticks_a_second=options["rate"],
            always_open=options["always_open"],
        )
        server = DemoServer(
            market,
            options["host"],
            options["port"],
            conflate=options["conflate"],
            jump_limit_seconds=300.0 * max(options["speed"], 1.0),
        )
        try:
            asyncio.run(self._serve(server))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CommandError(f"cannot listen on {options['host']}:{options['port']}: {error.strerror}") from error
            raise CommandError(
                f"port {options['port']} is taken; choose another with --port, or --port 0 for any that is free"
            ) from error
        _leave()

    async def _serve(self, server: DemoServer) -> None:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        await server.start()
        self.stdout.write(f"demo market at {server.url} (search at {server.search_url})")
        self.stdout.flush()
        await stopped.wait()
        await server.stop()


def _leave() -> NoReturn:
    """End the process now. Python would wait for loads in threads, which nobody waits for and which save nothing."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _within(kind: type, least: float, most: float) -> Any:
    """An argument type: a number of ``kind`` in ``[least, most]``."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least} and {most}")
        return value  # type: ignore[no-any-return]  # `kind` is int or float

    return parse

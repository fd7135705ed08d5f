"""How sockets to the service are opened, for the stream and for history alike."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from providers.tradingview.codec import MAX_MESSAGE_BYTES

# All clients send it; what the service does without is not known.
ORIGIN = "https://www.tradingview.com"
USER_AGENT = "Mozilla/5.0 (compatible; PocketQuant)"
OPEN_SECONDS = 10.0


def socket_options(url: str) -> dict[str, Any]:
    """Arguments for both kinds of ``websockets`` clients.

    Pings are off: the service's own heartbeats and our watchdogs do their work, and it is not known to answer them.
    """
    return {
        "origin": ORIGIN,
        "user_agent_header": USER_AGENT,
        "compression": None,
        "max_size": MAX_MESSAGE_BYTES,
        "open_timeout": OPEN_SECONDS,
        "close_timeout": 1.0,
        "ping_interval": None,
        "proxy": None if is_loopback(url) else True,
    }


def is_loopback(url: str) -> bool:
    """Whether ``url`` names this machine: then no proxy of the environment has any say."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def steady_clock() -> Callable[[], int]:
    """Wall time in ns that never jumps: read once, then carried on by the monotonic clock.

    A set-back clock would else look like a stalled feed. Made anew for each connection, so it does not drift off.
    """
    offset_ns = time.time_ns() - time.monotonic_ns()
    return lambda: time.monotonic_ns() + offset_ns

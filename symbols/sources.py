"""Providers built from the settings: the one place where a provider meets its URL and token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from django.conf import settings

from domain.errors import InvalidRequest
from providers.base import Provider

DEMO_EXCHANGE = "DEMO"


def provider_name_for(code: str) -> str:
    """Who provides the symbol ``code``: the demo market its own, TradingView all others."""
    return "demo" if code.startswith(f"{DEMO_EXCHANGE}:") else "tradingview"


def provider_named(name: str) -> Provider:
    """A new provider, its addresses taken from the settings; close it when done. Raises InvalidRequest if unknown."""
    from providers import get_provider  # sockets and their libraries, which few processes need

    window_bars = settings.WINDOW_BARS.get(name)
    if name == "demo":
        url = settings.DEMO_MARKET_URL
        return get_provider("demo", url=url, search_url=_demo_search_url(url), window_bars=window_bars)
    if name == "tradingview":
        return get_provider(
            "tradingview",
            url=settings.TRADINGVIEW_URL,
            search_url=settings.TRADINGVIEW_SEARCH_URL,
            token=settings.TRADINGVIEW_TOKEN,
            window_bars=window_bars,
        )
    raise InvalidRequest(f"unknown provider {name!r}: use demo or tradingview")


def _demo_search_url(url: str) -> str:
    """The demo market answers searches on the port of its socket, at the path the real service uses."""
    parts = urlsplit(url)
    scheme = "https" if parts.scheme == "wss" else "http"
    return f"{scheme}://{parts.netloc}/symbol_search/v3/"


@contextmanager
def opened_provider(name: str) -> Iterator[Provider]:
    """A provider for the length of a block; its connection is closed afterwards."""
    provider = provider_named(name)
    try:
        yield provider
    finally:
        # Not every source holds a connection.
        getattr(provider, "close", lambda: None)()

"""Where data comes from. No Django here; everything is told by arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domain.errors import InvalidRequest

if TYPE_CHECKING:
    from providers.base import Provider

DEMO_URL = "ws://127.0.0.1:8765/socket.io/websocket"
DEMO_SEARCH_URL = "http://127.0.0.1:8765/symbol_search/v3/"


def _tradingview(**options: Any) -> Provider:
    from providers.tradingview.provider import TradingViewProvider  # sockets, which few processes need

    return TradingViewProvider(name="tradingview", **options)


def _demo(**options: Any) -> Provider:
    """The demo market speaks TradingView's wire."""
    from providers.tradingview.provider import TradingViewProvider

    return TradingViewProvider(name="demo", **{"url": DEMO_URL, "search_url": DEMO_SEARCH_URL} | options)


_PROVIDERS = {"tradingview": _tradingview, "demo": _demo}


def provider_names() -> tuple[str, ...]:
    """The names that ``get_provider`` knows."""
    return tuple(_PROVIDERS)


def get_provider(name: str, **options: Any) -> Provider:
    """The provider called ``name``, made with ``options``. Raises InvalidRequest for a name that we don't know."""
    make = _PROVIDERS.get(name)
    if make is None:
        raise InvalidRequest(f"unknown provider {name[:40]!r}: use one of {' '.join(_PROVIDERS)}")
    return make(**options)

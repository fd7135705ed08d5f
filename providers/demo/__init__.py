"""The demo market: invented prices behind a server that speaks TradingView's wire. See docs/demo-market.md."""

from providers.demo.instruments import demo_instruments

__all__ = ["demo_instruments"]

"""TradingView's socket and search as a source of market data; the demo market speaks the same wire."""

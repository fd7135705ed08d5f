"""Instrument: our name for a thing, and the provider's."""

from __future__ import annotations

import re
from dataclasses import dataclass

LOTS_PER_UNIT = 10**8  # default lot step 1e-8: fine enough for every venue's sizes, and sums stay exact

# EXCHANGE:TICKER as TradingView writes it: tickers hold . - _ ! & / and, at some venues, letters beyond ASCII.
_SYMBOL = re.compile(r"[A-Z0-9_]{1,24}:[^\s:\"\\{}<>\x00-\x1f]{1,48}")


def is_symbol(text: str) -> bool:
    """Whether ``text`` has the form ``EXCHANGE:TICKER``."""
    return _SYMBOL.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A thing that is traded, as the fold, the stores and the providers need to know it.

    ``id`` is the registry's, never reused, so a rename keeps its bars; 0 where nothing is stored.
    ``calendar`` is a name that ``get_calendar`` knows: ``24/7``, ``forex`` or a MIC such as ``XNYS``.
    Sizes are counted in integers of ``1 / lots_per_unit`` of the base. ``delay_seconds`` is the feed's.
    """

    symbol: str
    id: int = 0
    name: str = ""
    type: str = ""
    provider: str = "tradingview"
    provider_code: str = ""
    calendar: str = "24/7"
    base_currency: str = ""
    quote_currency: str = ""
    price_decimals: int = 2
    tick_size: float = 0.01
    lots_per_unit: int = LOTS_PER_UNIT
    has_volume: bool = True
    delay_seconds: int = 0

    def __post_init__(self) -> None:
        if not is_symbol(self.symbol):
            raise ValueError(f"not EXCHANGE:TICKER: {self.symbol[:80]!r}")
        if not self.provider_code:
            object.__setattr__(self, "provider_code", self.symbol)

    @property
    def exchange(self) -> str:
        """The venue as TradingView writes it: ``NASDAQ`` of ``NASDAQ:AAPL``."""
        return self.symbol.partition(":")[0]

    @property
    def ticker(self) -> str:
        return self.symbol.partition(":")[2]

"""Splits on demand: from then on all that the market tells of a symbol is on the new scale, its past included."""

from __future__ import annotations

import threading

from domain.errors import InvalidRequest
from providers.demo import table
from providers.demo.instruments import Listing
from providers.demo.prints import Print
from providers.demo.randomness import Ints

MOST = 1_000  # shares that one becomes, over all splits of a symbol
_PRICES = slice(table.OPEN, table.CLOSE + 1)


class Splits:
    """How many shares one has become, by symbol. Safe from any thread.

    Prices are divided and rounded to the tick, half upwards, sizes multiplied. Rounding keeps the order of prices, so a
    bar is still exactly the fold of its trades.
    """

    def __init__(self) -> None:
        self._ratios: dict[str, int] = {}
        self._lock = threading.Lock()

    def split(self, symbol: str, ratio: int) -> int:
        """Make ``ratio`` shares of each; how many one of the first has become. Raises InvalidRequest."""
        with self._lock:
            total = self._ratios.get(symbol, 1) * ratio
            if ratio < 2 or total > MOST:
                raise InvalidRequest(
                    f"one share becomes 2 or more, and {MOST:,} at most over all splits, not {total:,}"
                )
            self._ratios[symbol] = total
        return total

    def state(self) -> dict[str, int]:
        with self._lock:
            return dict(self._ratios)

    def rows(self, listing: Listing, rows: Ints) -> Ints:
        """Bars as they are told now."""
        ratio = self._ratios.get(listing.symbol, 1)
        if ratio == 1:
            return rows
        told = rows.copy()
        told[:, _PRICES] = (told[:, _PRICES] * 2 + ratio) // (2 * ratio)
        told[:, table.VOLUME] *= ratio
        return told

    def trade(self, listing: Listing, trade: Print) -> Print:
        """A trade as it is told now."""
        ratio = self._ratios.get(listing.symbol, 1)
        if ratio == 1:
            return trade
        return trade._replace(
            price=_divided(trade.price, ratio),
            size=trade.size * ratio,
            volume=trade.volume * ratio,
            open=_divided(trade.open, ratio),
            high=_divided(trade.high, ratio),
            low=_divided(trade.low, ratio),
            previous_close=_divided(trade.previous_close, ratio),
        )


def _divided(ticks: int, ratio: int) -> int:
    return (ticks * 2 + ratio) // (2 * ratio)

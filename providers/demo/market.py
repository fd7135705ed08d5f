"""DemoMarket: any bar, trade or state of any moment since 2010, computed from a seed. Pure: told the time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from domain.bar import Bar, BarState
from domain.errors import UnknownSymbol
from domain.instrument import Instrument
from domain.interval import Interval
from domain.tick import Tick, tick_key
from providers.demo import table
from providers.demo.history import History
from providers.demo.instruments import Listing, listings
from providers.demo.prints import Print, prints
from providers.demo.randomness import Ints
from providers.demo.splits import Splits

_NS_PER_MS = 1_000_000


class DemoMarket:
    """Invented prices of a dozen symbols and any number of synthetic ones.

    The same ``seed`` gives the same prices at the same moments, on every machine. ``clock`` tells the market's time
    in epoch seconds; it is read by ``now_ms`` only, everything else is told the time.
    """

    def __init__(
        self,
        seed: int = 1,
        *,
        clock: Callable[[], float] = time.time,
        synthetic_count: int = 0,
        ticks_a_second: float = 1.0,
        always_open: bool = False,
    ) -> None:
        self.seed = seed
        self._clock = clock
        found = listings(synthetic_count=synthetic_count, ticks_a_second=ticks_a_second, always_open=always_open)
        self._listings = {listing.symbol: listing for listing in found}
        self.history = History(seed)
        self.splits = Splits()

    def now_ms(self) -> int:
        """The market's time, epoch ms."""
        return int(self._clock() * 1_000)

    def symbols(self) -> list[str]:
        return list(self._listings)

    def listings(self) -> Iterable[Listing]:
        return self._listings.values()

    def find(self, symbol: str) -> Listing | None:
        return self._listings.get(symbol)

    def listing(self, symbol: str) -> Listing:
        """Raises UnknownSymbol."""
        found = self._listings.get(symbol)
        if found is None:
            raise UnknownSymbol(f"the demo market has no {symbol[:80]!r}")
        return found

    def instrument(self, symbol: str) -> Instrument:
        return self.listing(symbol).instrument()

    def rows(
        self,
        listing: Listing,
        interval: Interval,
        now_ms: int,
        *,
        count: int | None = None,
        since: int | None = None,
        months: int = 1,
    ) -> Ints:
        """Bars as integers (columns of `table`), ascending, the last one perhaps in progress at ``now_ms``.

        Now is less the feed's delay. At most the newest ``count``, and none that ends before ``since`` (epoch s)
        beyond the first of a day. Days and longer reach back to 2010, finer intervals 5,000 bars.
        """
        at_ms = now_ms - listing.delay_seconds * 1_000
        found = self.history.rows(listing, interval, at_ms, count=count, since=since, months=months)
        return self.splits.rows(listing, found)

    def bars(self, symbol: str, interval: Interval, start: datetime, end: datetime, now: datetime) -> list[Bar]:
        """Bars whose ``open_time`` is in ``[start, end)`` as known at ``now``; the one in progress is FORMING.

        All times aware. Exactly the fold of ``ticks``, to the last bit. Raises UnknownSymbol.
        """
        listing = self.listing(symbol)
        first, last = math.ceil(start.timestamp()), math.ceil(end.timestamp())
        now_ms = int(now.timestamp() * 1_000)
        # A day's key may lie after the start of its span (an evening open) by less than two days.
        found = self.rows(listing, interval, now_ms, since=first - (0 if interval.is_intraday else 40 * 86_400))
        found = found[(found[:, table.KEY] >= first) & (found[:, table.KEY] < last)]
        seen_s = now_ms // 1_000 - listing.delay_seconds
        return [_bar(listing, interval, row, seen_s) for row in found.tolist()]

    def prints(self, listing: Listing, after_ms: int) -> Iterator[Print]:
        """Trades later than ``after_ms`` (event time), in order, without end, with the state of their day.

        As they were traded: who tells them asks ``splits`` at that moment.
        """
        return prints(self.history, listing, after_ms)

    def ticks(self, symbol: str, start_ns: int, end_ns: int) -> Iterator[Tick]:
        """Trades with event time in ``[start_ns, end_ns)``, in order. Raises UnknownSymbol."""
        listing = self.listing(symbol)
        lots_a_step = listing.instrument().lots_per_unit // listing.size_scale
        for trade in prints(self.history, listing, -(-start_ns // _NS_PER_MS) - 1):
            time_ns = trade.time_ms * _NS_PER_MS
            if time_ns >= end_ns:
                return
            told = self.splits.trade(listing, trade)
            price = listing.price(told.price)
            yield Tick(listing.symbol, tick_key(time_ns, told.number), price, told.size * lots_a_step)


def _bar(listing: Listing, interval: Interval, row: list[int], seen_s: int) -> Bar:
    start, end, key, opened, high, low, close, volume = row
    return Bar(
        symbol=listing.symbol,
        interval=interval,
        open_time=datetime.fromtimestamp(key, UTC),
        starts_at=datetime.fromtimestamp(start, UTC),
        close_time=datetime.fromtimestamp(end, UTC),
        open=listing.price(opened),
        high=listing.price(high),
        low=listing.price(low),
        close=listing.price(close),
        volume=listing.volume(volume),
        state=BarState.FINAL if end <= seen_s else BarState.FORMING,
    )

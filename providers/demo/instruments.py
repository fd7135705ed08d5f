"""What is listed at the demo market. Levels resemble the real thing; every name says that it is a demo."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from domain.instrument import Instrument

EXCHANGE = "DEMO"
_DAYS_TO_TODAY = {"24/7": 5_844, "forex": 4_150}  # trading days from 2010 to 2026; 4,030 elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A symbol of the demo market and how its prices behave.

    Prices are counted in ticks of ``minmov / pricescale``, sizes in steps of ``1 / size_scale``. ``level`` is the
    price drawn towards around 2026, ``growth`` the factor of that target a trading day, ``gap_share`` the share of
    a day's deviation that passes between two sessions. ``mean_size`` is in steps, at least 4.
    """

    ticker: str
    name: str
    type: str
    level: float
    daily_deviation: float
    growth: float = 1.0003
    gap_share: float = 0.35
    trades_a_minute: float = 60.0
    mean_size: int = 500
    size_scale: int = 1
    has_volume: bool = True
    spread_ticks: int = 1
    delay_seconds: int = 0
    calendar: str = "XNYS"
    timezone: str = "America/New_York"
    session: str = "0930-1600"
    listed_exchange: str = EXCHANGE
    country: str = "US"
    currency: str = "USD"
    base_currency: str = ""
    typespecs: tuple[str, ...] = ("common",)
    pricescale: int = 100
    minmov: int = 1

    @property
    def symbol(self) -> str:
        return f"{EXCHANGE}:{self.ticker}"

    @property
    def is_busy_at_ends(self) -> bool:
        """Whether trading is busiest at open and close, as where there is a closing bell."""
        return self.calendar not in {"24/7", "forex"}

    @property
    def decimals(self) -> int:
        return len(str(self.pricescale)) - 1

    def price(self, ticks: int) -> float:
        """The double nearest to ``ticks``; one correctly rounded division, so the same on every path."""
        return ticks * self.minmov / self.pricescale

    def volume(self, steps: int) -> float:
        return steps / self.size_scale

    def start_ticks(self) -> float:
        """Where prices start in 2010. By division a day: pow() differs between machines in its last bit."""
        ticks = self.level * self.pricescale / self.minmov
        for _ in range(_DAYS_TO_TODAY.get(self.calendar, 4_030)):
            ticks /= self.growth
        return ticks

    def round_the_clock(self) -> Listing:
        """The same thing traded at any hour: for tests that cannot wait for a session."""
        return dataclasses.replace(self, calendar="24/7", session="24x7", timezone="Etc/UTC")

    def instrument(self) -> Instrument:
        """As the rest of the project knows it; ``id`` is 0 until it is registered."""
        return Instrument(
            symbol=self.symbol,
            name=self.name,
            type=self.type,
            provider="demo",
            calendar=self.calendar,
            base_currency=self.base_currency,
            quote_currency=self.currency,
            price_decimals=self.decimals,
            tick_size=self.minmov / self.pricescale,
            has_volume=self.has_volume,
            delay_seconds=self.delay_seconds,
        )


def _crypto(ticker: str, name: str, base: str, level: float, deviation: float, **more: object) -> Listing:
    fields: dict[str, object] = {
        "calendar": "24/7",
        "timezone": "Etc/UTC",
        "session": "24x7",
        "country": "",
        "typespecs": ("crypto",),
        "gap_share": 0.0,
        "growth": 1.0007,
    }
    fields.update(more)
    listing = Listing(ticker=ticker, name=name, type="spot", level=level, daily_deviation=deviation, base_currency=base)
    return dataclasses.replace(listing, **fields)  # type: ignore[arg-type]  # checked by the dataclass's own fields


LISTINGS: tuple[Listing, ...] = (
    _crypto("BTCUSD", "Bitcoin / US Dollar (demo)", "BTC", 64_000.0, 0.024,
            trades_a_minute=240.0, size_scale=10_000, mean_size=400, spread_ticks=9),
    _crypto("ETHUSD", "Ethereum / US Dollar (demo)", "ETH", 3_100.0, 0.031,
            trades_a_minute=120.0, size_scale=1_000, mean_size=760, spread_ticks=3),
    _crypto("XRPUSD", "XRP / US Dollar (demo)", "XRP", 0.62, 0.034,
            trades_a_minute=45.0, size_scale=10, mean_size=9_000, pricescale=10_000),
    _crypto("THIN", "Thinly Traded Token (demo)", "THIN", 18.0, 0.020,
            trades_a_minute=0.3, size_scale=100, mean_size=900, spread_ticks=6),
    Listing(ticker="AAPL", name="Apple Inc. (demo)", type="stock", level=230.0, daily_deviation=0.015,
            trades_a_minute=150.0, mean_size=800, listed_exchange="NASDAQ"),
    Listing(ticker="MSFT", name="Microsoft Corporation (demo)", type="stock", level=425.0, daily_deviation=0.014,
            trades_a_minute=90.0, mean_size=500, listed_exchange="NASDAQ"),
    Listing(ticker="NVDA", name="NVIDIA Corporation (demo)", type="stock", level=140.0, daily_deviation=0.025,
            growth=1.0006, trades_a_minute=200.0, mean_size=2_300, listed_exchange="NASDAQ"),
    Listing(ticker="DEMO500", name="Demo 500 Index (demo)", type="index", level=5_900.0, daily_deviation=0.009,
            trades_a_minute=60.0, has_volume=False, typespecs=("main",)),
    Listing(ticker="EURUSD", name="Euro / US Dollar (demo)", type="forex", level=1.09, daily_deviation=0.0045,
            growth=1.0, gap_share=0.1, trades_a_minute=100.0, mean_size=6, spread_ticks=8, pricescale=100_000,
            calendar="forex", session="1700-1700", country="", base_currency="EUR", typespecs=()),
    Listing(ticker="ES1!", name="E-mini S&P 500 Futures (demo)", type="futures", level=5_920.0,
            daily_deviation=0.009, gap_share=0.1, trades_a_minute=140.0, mean_size=7, minmov=25, calendar="CMES",
            timezone="America/Chicago", session="1700-1600", listed_exchange="CME_MINI",
            typespecs=("continuous", "synthetic")),
    Listing(ticker="7203", name="トヨタ自動車 Toyota Motor (demo)", type="stock", level=2_900.0,
            daily_deviation=0.014, trades_a_minute=40.0, mean_size=1_400, currency="JPY", country="JP",
            pricescale=10, minmov=5, calendar="XTKS", timezone="Asia/Tokyo",
            session="0900-1130,1230-1530", listed_exchange="TSE"),
    Listing(ticker="BREZ", name="Größenwahn & Söhne AG 🥨 (demo)", type="stock", level=48.0, daily_deviation=0.017,
            trades_a_minute=12.0, mean_size=260, currency="EUR", country="DE", spread_ticks=3, calendar="XETR",
            timezone="Europe/Berlin", session="0900-1730", listed_exchange="XETR"),
    Listing(ticker="VOD", name="Vodafone Group plc, 15 minutes late (demo)", type="stock", level=74.0,
            daily_deviation=0.013, growth=1.0, trades_a_minute=30.0, mean_size=9_000, currency="GBX", country="GB",
            delay_seconds=900, calendar="XLON", timezone="Europe/London", session="0800-1630",
            listed_exchange="LSE"),
)  # fmt: skip


def synthetic(number: int, ticks_a_second: float) -> Listing:
    """The ``number``-th symbol made for load tests: ``SYN0001`` and so on, open round the clock."""
    return _crypto(
        f"SYN{number:04}",
        f"Synthetic {number} (demo)",
        "SYN",
        20.0 + number * 7 % 400,
        0.02,
        growth=1.0,
        trades_a_minute=ticks_a_second * 60.0,
        size_scale=100,
    )


def listings(*, synthetic_count: int = 0, ticks_a_second: float = 1.0, always_open: bool = False) -> list[Listing]:
    """All symbols of a demo market, the synthetic ones last."""
    found = [*LISTINGS, *(synthetic(number, ticks_a_second) for number in range(1, synthetic_count + 1))]
    return [listing.round_the_clock() for listing in found] if always_open else found


def demo_instruments(*, always_open: bool = False) -> list[Instrument]:
    """What can be followed at a demo market, known without asking its server."""
    return [listing.instrument() for listing in listings(always_open=always_open)]

"""Worker of the fold's race: NautilusTrader's time bar aggregators, in the benchmarks' own environment.

Driven as its own backtest engine does it: one clock for all aggregators, advanced to each tick's time; timers that
fell due are handled; then the tick goes to each aggregator of its symbol. Composite bars are made from its own minute
bars, which its documents offer. The variants ``… kind`` advance the clock once a minute only, which its engine does
not, but which costs it least. Empty bars are not asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from nautilus_trader.common.component import TestClock
from nautilus_trader.data.aggregation import TimeBarAggregator
from nautilus_trader.model.currencies import BTC, USD
from nautilus_trader.model.data import Bar, BarType, TradeTick
from nautilus_trader.model.enums import AggressorSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Price, Quantity

from benchmarks.fold_market import MINUTE_NS, START_NS, BarRow, case_of, digest, serve, trades

CASE = case_of(sys.argv[1:])
INTERVALS = {
    "1m": "1-MINUTE", "3m": "3-MINUTE", "5m": "5-MINUTE", "15m": "15-MINUTE", "30m": "30-MINUTE", "45m": "45-MINUTE",
    "1h": "1-HOUR", "2h": "2-HOUR", "3h": "3-HOUR", "4h": "4-HOUR", "1d": "1-DAY", "1w": "1-WEEK", "1M": "1-MONTH",
}  # fmt: skip
NAMES = {f"{spec}-LAST": interval for interval, spec in INTERVALS.items()}
_COMPOSITE_DELAY_US = 15  # lets the minute bar come first where both end; its documents' figure
Sink = Callable[[Bar], None]
Maker = Callable[[int, Sink, TestClock], list[TimeBarAggregator]]


def _instrument(number: int) -> CurrencyPair:
    symbol = Symbol(f"S{number}")
    return CurrencyPair(
        instrument_id=InstrumentId(symbol, Venue("BENCH")),
        raw_symbol=symbol,
        base_currency=BTC,
        quote_currency=USD,
        price_precision=2,
        size_precision=2,
        price_increment=Price(0.01, 2),
        size_increment=Quantity(0.01, 2),
        ts_event=0,
        ts_init=0,
    )


INSTRUMENTS = [_instrument(number) for number in range(CASE.symbols)]
TICKS = [
    (
        one.symbol,
        one.time_ns,
        TradeTick(
            INSTRUMENTS[one.symbol].id,
            Price(one.cents / 100, 2),
            Quantity(one.hundredths / 100, 2),
            AggressorSide.BUYER,
            TradeId(str(number)),
            one.time_ns,
            one.time_ns,
        ),
    )
    for number, one in enumerate(trades(CASE))
]


def _aggregator(
    number: int, spec: str, sink: Sink, clock: TestClock, *, is_composite: bool = False
) -> TimeBarAggregator:
    instrument = INSTRUMENTS[number]
    source = "@1-MINUTE-INTERNAL" if is_composite else ""
    return TimeBarAggregator(
        instrument,
        BarType.from_str(f"{instrument.id}-{spec}-LAST-INTERNAL{source}"),
        sink,
        clock,
        build_with_no_updates=False,
        bar_build_delay=_COMPOSITE_DELAY_US if is_composite else 0,
    )


def _direct(number: int, sink: Sink, clock: TestClock) -> list[TimeBarAggregator]:
    return [_aggregator(number, spec, sink, clock) for spec in INTERVALS.values()]


def _composite(number: int, sink: Sink, clock: TestClock) -> list[TimeBarAggregator]:
    minute, *coarser = INTERVALS.values()
    takers = [_aggregator(number, spec, sink, clock, is_composite=True).handle_bar for spec in coarser]

    def on_minute(bar: Bar) -> None:
        sink(bar)
        for take in takers:
            take(bar)

    return [_aggregator(number, minute, on_minute, clock)]


def _run(make: Maker, sink: Sink, every_ns: int) -> Callable[[], int]:
    """What is to be timed. ``every_ns``: how far the clock lags at most; 0 advances it with each tick."""
    clock = TestClock()
    clock.set_time(START_NS)
    takers = [[one.handle_trade_tick for one in make(number, sink, clock)] for number in range(CASE.symbols)]

    def timed() -> int:
        due = START_NS + every_ns
        for symbol, time_ns, tick in TICKS:
            if time_ns >= due:
                for event in clock.advance_time(time_ns):
                    event.handle()
                due += every_ns
            for take in takers[symbol]:
                take(tick)
        return len(TICKS)

    return timed


def _thrown_away(_bar: Bar) -> None:
    pass


def _check() -> str:
    bars: list[Bar] = []
    _run(_direct, bars.append, MINUTE_NS)()
    rows: list[BarRow] = []
    for bar in bars:
        prices = (str(price) for price in (bar.open, bar.high, bar.low, bar.close))
        number = int(str(bar.bar_type.instrument_id.symbol)[1:])
        rows.append((NAMES[str(bar.bar_type.spec)], number, bar.ts_event, *prices, str(bar.volume)))
    return digest(rows, CASE)


if __name__ == "__main__":
    serve(
        {
            "13 types": lambda: _run(_direct, _thrown_away, 0),
            "composite": lambda: _run(_composite, _thrown_away, 0),
            "13 types kind": lambda: _run(_direct, _thrown_away, MINUTE_NS),
            "composite kind": lambda: _run(_composite, _thrown_away, MINUTE_NS),
        },
        _check,
    )

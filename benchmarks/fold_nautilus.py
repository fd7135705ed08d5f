"""Worker of the fold's race: NautilusTrader's time bar aggregators, in the benchmarks' own environment.

Driven in three ways, which differ in who moves the clock that the aggregators' timers hang on:

- plain: as its own backtest engine does it. There ``DataEngine`` hands its one clock to every time bar aggregator
  (``data/engine.pyx``), and ``BacktestEngine`` advances the clocks to the time of each piece of data that is later
  than the one before (``backtest/engine.pyx``, ``_advance_time``); timers that fell due are handled, then the tick
  goes to each aggregator of its symbol. This is how its users meet it, and it carries the goals. All timers are
  looked at each time, so with many symbols most of the cost is there: what it says is that the whole costs so much,
  not that its arithmetic does.
- ``… own``: a clock of its own for each symbol, advanced by that symbol's ticks alone. Its engine offers no such thing;
  it takes the other symbols' timers out of the figure.
- ``… kind``: the shared clock advanced once a minute. Nothing of it does so, but it costs least: the lower bound.

Composite bars are made from its own minute bars, which its documents offer. Empty bars are not asked for.
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


def _clock() -> TestClock:
    clock = TestClock()
    clock.set_time(START_NS)
    return clock


def _run_own(make: Maker, sink: Sink) -> Callable[[], int]:
    """What is to be timed, each symbol with a clock of its own."""
    clocks = [_clock() for _ in range(CASE.symbols)]
    takers = [
        (clock.advance_time, [one.handle_trade_tick for one in make(number, sink, clock)])
        for number, clock in enumerate(clocks)
    ]

    def timed() -> int:
        for symbol, time_ns, tick in TICKS:
            advance, takes = takers[symbol]
            for event in advance(time_ns):
                event.handle()
            for take in takes:
                take(tick)
        return len(TICKS)

    return timed


def _run(make: Maker, sink: Sink, every_ns: int) -> Callable[[], int]:
    """What is to be timed, with one clock. ``every_ns``: how far it lags at most; 0 advances it with each tick."""
    clock = _clock()
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
            "13 types own": lambda: _run_own(_direct, _thrown_away),
            "composite own": lambda: _run_own(_composite, _thrown_away),
            "13 types kind": lambda: _run(_direct, _thrown_away, MINUTE_NS),
            "composite kind": lambda: _run(_composite, _thrown_away, MINUTE_NS),
        },
        _check,
    )

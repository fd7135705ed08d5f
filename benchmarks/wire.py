"""Text of the wire to ticks, beside a bare JSON decode of the same payloads: ``python -m benchmarks.wire [--quick]``.

The text is what the demo market sends: an update for each trade, some for bid and ask alone, each in a message of its
own as at usual rates, or 50 to a message as under load; once with the fields that our client asks for, once with all
that move with a trade, which is what a client gets that names none. Ours does what the live path does: framing,
decoding, merging, running volume to exact lots, ticks with keys. Medians of CPU time, interleaved; ratios count.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from random import Random

import msgspec
import orjson

from domain.tick import Tick
from providers.base import StreamEvent
from providers.demo.market import DemoMarket
from providers.demo.quote_session import QuoteSession
from providers.demo.quotes import Tape
from providers.tradingview.codec import decode, encode
from providers.tradingview.messages import QUOTE_FIELDS
from providers.tradingview.session import StreamSession

GOAL = 0.5
SYMBOLS = ("DEMO:BTCUSD", "DEMO:AAPL", "DEMO:EURUSD", "DEMO:DEMO500", "DEMO:XRPUSD")
NOW_MS = 1_772_000_000_000  # a moment of 2026; the market is always open here
_GLUED = 50


class Traffic:
    """What a session that follows the demo market is sent: ``opening`` first, then ``payloads``, framed in two ways."""

    def __init__(self, market: DemoMarket, updates: int, fields: tuple[str, ...]) -> None:
        self._instruments = [market.instrument(symbol) for symbol in SYMBOLS]
        _, name = self.session()
        told = QuoteSession(name)
        if fields:
            told.set_fields(list(fields))
        self.opening: list[bytes] = []
        tapes: list[Tape] = []
        for listing in map(market.listing, SYMBOLS):
            tapes.append(Tape(market, listing, Tape.opening(market, listing, NOW_MS)))
            told.keys[listing.symbol] = listing.symbol
            self.opening += [encode(each).encode() for each in told.snapshot(listing.symbol, tapes[-1].snapshot())]
        self.payloads = _trade(tapes, told, updates)
        self.ways = {
            size: [
                encode(*self.payloads[start : start + size]).encode() for start in range(0, len(self.payloads), size)
            ]
            for size in (1, _GLUED)
        }

    def session(self) -> tuple[StreamSession, str]:
        """A session that has just connected, and the name of its quote session: the same each time."""
        session = StreamSession(random=Random(1).random)
        session.follow(self._instruments, NOW_MS * 10**6)
        session.open(NOW_MS * 10**6)
        calls = [orjson.loads(decode(text).payloads[0]) for text in session.take_outgoing()]
        return session, next(call["p"][0] for call in calls if call["m"] == "quote_add_symbols")

    def subscribed(self) -> StreamSession:
        """A session that has its snapshots."""
        session, _ = self.session()
        for message in self.opening:
            session.receive(message, 0, [])
        return session


def _trade(tapes: list[Tape], told: QuoteSession, updates: int) -> list[bytes]:
    """The payloads of the next ``updates`` updates, a tenth of a second at a time."""
    payloads: list[bytes] = []
    now_ms = NOW_MS
    while len(payloads) < updates:
        now_ms += 100
        for tape in tapes:
            for update in tape.advance(now_ms):
                payloads += told.partial(tape.listing.symbol, update)
    return payloads[:updates]


def ticked(session: StreamSession, messages: list[bytes]) -> None:
    """All messages through the session; the consumer takes the events a hundred at a time."""
    receive, events = session.receive, list[StreamEvent]()
    for message in messages:
        receive(message, 0, events)
        if len(events) >= 100:
            events.clear()


def decoded(decode_json: Callable[[bytes], object], payloads: list[bytes]) -> None:
    for payload in payloads:
        decode_json(payload)


def timed(work: Callable[[], object]) -> float:
    begin = time.process_time_ns()
    work()
    return time.process_time_ns() - begin


def check(market: DemoMarket, traffic: Traffic) -> float:
    """Both ways of framing give the market's own ticks; returns their share of the updates."""
    ticks: list[Tick] = []
    for messages in traffic.ways.values():
        session, events = traffic.subscribed(), list[StreamEvent]()
        for message in messages:
            session.receive(message, 0, events)
        ticks = [event for event in events if isinstance(event, Tick)]
        got = [(tick.time_ns // 10**9, tick.price, tick.lots) for tick in ticks if tick.symbol == SYMBOLS[0]]
        ledger = market.ticks(SYMBOLS[0], (NOW_MS + 1) * 10**6, (NOW_MS + 10**9) * 10**6)
        assert got == [(tick.time_ns // 10**9, tick.price, tick.lots) for tick, _ in zip(ledger, got, strict=False)]
    return len(ticks) / len(traffic.payloads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small sample: shows that it runs, not how fast")
    options = parser.parse_args()
    updates, rounds = (5_000, 3) if options.quick else (50_000, 11)
    market = DemoMarket(1, always_open=True)
    print(f"{updates:,} updates; ns CPU an update, medians of {rounds}")
    for words, fields in (("the fields that we ask for", QUOTE_FIELDS), ("all fields that trades move", ())):
        traffic = Traffic(market, updates, fields)
        share, size = check(market, traffic), sum(map(len, traffic.payloads)) / updates
        print(f"{words}: {size:.0f} bytes an update, {share:.0%} of them trades")
        report(measured(traffic, rounds), updates)


def measured(traffic: Traffic, rounds: int) -> dict[str, list[float]]:
    """Contenders in turn, so that whatever else the machine does meets all alike."""
    times: dict[str, list[float]] = {}
    any_json = msgspec.json.Decoder().decode
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        times.setdefault("bare orjson decode", []).append(timed(lambda: decoded(orjson.loads, traffic.payloads)))
        times.setdefault("bare msgspec decode", []).append(timed(lambda: decoded(any_json, traffic.payloads)))
        for size, messages in traffic.ways.items():
            session = traffic.subscribed()
            name = f"wire to tick, {size} a message"
            times.setdefault(name, []).append(timed(lambda s=session, m=messages: ticked(s, m)))  # type: ignore[misc]
    gc.unfreeze()
    return times


def report(times: dict[str, list[float]], updates: int) -> None:
    limit = statistics.median(times["bare orjson decode"])
    for name, taken in times.items():
        median = statistics.median(taken)
        line = f"  {name:<32}{median / updates:>8.0f}"
        if "tick" in name:
            ratio = limit / median
            line += f"   {ratio:.2f} of bare orjson (goal {GOAL}: {'reached' if ratio >= GOAL else 'missed'})"
        print(line)


if __name__ == "__main__":
    main()

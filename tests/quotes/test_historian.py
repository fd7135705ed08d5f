"""What the fold has not heard is asked of history, and said to be whole only when history can have all of it."""

import asyncio
from types import SimpleNamespace

from domain.aggregation import Aggregator
from domain.instrument import Instrument
from domain.interval import Interval
from domain.tick import Tick, tick_key
from quotes.historian import Historian
from tests.factories import at, bar

THIN = Instrument(symbol="DEMO:THIN", id=1, provider="demo")


class Books:
    """A provider whose history is these minutes, and nothing of any longer interval."""

    def __init__(self, *minutes):
        self.minutes = [bar(minute, symbol=THIN.symbol) for minute in minutes]

    def fetch_bars(self, instrument, interval, start, end):
        if interval is Interval.M1:
            yield [one for one in self.minutes if start <= one.open_time < end]


def test_a_thin_symbols_parents_are_whole_once_history_has_had_time_to_say_all():
    now = at("10:02:20").timestamp()
    aggregator, stored = Aggregator(), []
    aggregator.follow(THIN)
    streamer = SimpleNamespace(aggregator=aggregator, instruments={THIN.symbol: THIN}, hand_on=aggregator.drain)
    historian = Historian(
        streamer=streamer,
        writer=SimpleNamespace(put=lambda instrument, one: stored.append(one)),
        audit=SimpleNamespace(note=lambda *args, **kwargs: None),
        repository=lambda: None,
        open_provider=lambda name: Books("10:00", "10:01"),  # nobody traded between 08:00 and 10:00
        clock=lambda: now,
    )
    for second, text in enumerate(("10:01:30", "10:02:01")):
        aggregator.add(Tick(THIN.symbol, tick_key(int(at(text).timestamp()) * 10**9, second), 10.0, 1), None)

    async def look(due):
        nonlocal now
        now = due
        historian.look()
        await asyncio.gather(*historian._busy.values())

    async def serve():
        historian.seed_soon(THIN.symbol)
        await look(at("10:02:05").timestamp())
        assert aggregator.forming(THIN.symbol, Interval.H4).partial  # a minute may just not be served yet
        await look(at("10:02:20").timestamp())
        historian.close()

    asyncio.run(serve())
    assert [one.open_time for one in stored if one.interval is Interval.M1] == [at("10:01")]
    assert not aggregator.forming(THIN.symbol, Interval.H4).partial

"""PyPI tvkit against the demo market. Prints what it got as one JSON object."""

import redirect  # noqa: F401, I001  # first, so that nothing resolves a host before it

import asyncio
import datetime
import json
import sys

from tvkit.api.chart.ohlcv import OHLCV

INTERVALS = ["1", "3", "5", "15", "30", "45", "60", "120", "180", "240", "1D", "1W", "1M"]


def row(bar):
    return [bar.timestamp, bar.open, bar.high, bar.low, bar.close, bar.volume]


async def error_of(symbol, interval):
    try:
        async with OHLCV() as client:
            await client.get_historical_ohlcv(symbol, interval=interval, bars_count=5)
    except Exception as error:  # whatever the library makes of it is what is asked
        return f"{type(error).__name__}: {error}"
    return None


async def main(symbol, count):
    result = {"history": {}, "errors": {}, "stream": [], "quotes": []}
    async with OHLCV() as client:
        for interval in INTERVALS:
            bars = await client.get_historical_ohlcv(symbol, interval=interval, bars_count=count)
            result["history"][interval] = [row(bar) for bar in bars]
        today = datetime.datetime.now(datetime.UTC).date()
        start, end = (str(today - datetime.timedelta(days=days)) for days in (4, 3))  # the end's whole day is meant
        ranged = await client.get_historical_ohlcv(symbol, interval="60", start=start, end=end)
        result["range"] = len(ranged)
    async with OHLCV() as client:
        async for bar in client.get_ohlcv(symbol, interval="1", bars_count=2):
            result["stream"].append(row(bar))
            if len(result["stream"]) >= 5:
                break
    async with OHLCV() as client:
        async for quote in client.get_quote_data(symbol):
            result["quotes"].append(quote.quote_data["v"])
            if len(result["quotes"]) >= 4:
                break
    result["errors"] = {
        "symbol": await error_of("DEMO:NOSUCH", "1D"),
        "custom": await error_of(symbol, "20"),
        "seconds": await error_of(symbol, "1S"),
    }
    print(json.dumps(result))


asyncio.run(main(sys.argv[1], int(sys.argv[2])))

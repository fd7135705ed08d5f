"""PyPI tradingview-datafeed against the demo market. Prints what it got as one JSON object."""

import redirect  # noqa: F401, I001  # first, so that nothing resolves a host before it

import json
import sys

from tvDatafeed import Interval, TvDatafeed

client = TvDatafeed()
symbol, count = sys.argv[1].removeprefix("DEMO:"), int(sys.argv[2])
result = {"history": {}, "search": [], "unknown": "not asked"}
for interval in Interval:
    frame = client.get_hist(symbol=symbol, exchange="DEMO", interval=interval, n_bars=count)
    result["history"][interval.value] = [
        [int(at.timestamp()), row.open, row.high, row.low, row.close, row.volume] for at, row in frame.iterrows()
    ]
result["search"] = [row["symbol"] for row in client.search_symbol(symbol, "DEMO")]
client._TvDatafeed__ws_timeout = 0.5  # so long it waits in vain for bars of what is not there
unknown = client.get_hist(symbol="NOSUCH", exchange="DEMO", interval=Interval.in_daily, n_bars=5)
result["unknown"] = None if unknown is None else len(unknown)
print(json.dumps(result))

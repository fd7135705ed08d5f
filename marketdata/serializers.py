"""The shape of the bars API for its schema. Answers are rendered without these: see rendering.py."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from domain.interval import Interval
from marketdata.query import DEFAULT_LIMIT, MOST_BARS, MOST_SYMBOLS, ORDERS, SHAPES, TIMES


class BarSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField(help_text="EXCHANGE:TICKER")
    open_time = serializers.DateTimeField(help_text="the bar's key; epoch seconds, ms or ns with `time`")
    open = serializers.FloatField()
    high = serializers.FloatField()
    low = serializers.FloatField()
    close = serializers.FloatField()
    volume = serializers.FloatField(help_text="in units of the base currency")


class MissingSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    start = serializers.DateTimeField(help_text="open time of the first bar that is missing")
    end = serializers.DateTimeField(help_text="close time of the last one")
    bars = serializers.IntegerField()


class BarsMetaSerializer(serializers.Serializer[Any]):
    interval = serializers.ChoiceField(choices=[interval.value for interval in Interval])
    expected = serializers.IntegerField(
        allow_null=True,
        help_text="bars that the calendars expect in the range of this page; null where that is not known",
    )
    returned = serializers.IntegerField()
    missing = MissingSerializer(many=True, help_text="expected and not stored; a minute without a trade has no bar")
    missing_omitted = serializers.IntegerField(help_text="further missing ranges that are not listed")
    includes_forming = serializers.BooleanField(help_text="always false: forming bars come over /ws/live/")
    provisional = serializers.IntegerField(help_text="bars that the provider's history has not confirmed yet")
    partial = serializers.IntegerField(  # type: ignore[assignment]  # a field, which the metaclass takes away
        help_text="bars of which ticks are known to be missing"
    )
    sources = serializers.DictField(child=serializers.IntegerField(), help_text="bars by where they came from")
    provider = serializers.CharField(help_text="several are separated by commas")
    data_version = serializers.CharField(help_text="changes with every change of these series")
    updated_at = serializers.DateTimeField(allow_null=True, help_text="when these series last changed")


class BarsSerializer(serializers.Serializer[Any]):
    bars = BarSerializer(many=True, help_text="with `shape=columns` an object of lists instead")
    meta = BarsMetaSerializer()
    next = serializers.URLField(allow_null=True, help_text="the page that follows")


PROBLEM = OpenApiResponse(OpenApiTypes.OBJECT, description="application/problem+json: what is wrong, by parameter")
PARAMETERS = [
    OpenApiParameter("symbols", str, description=f"up to {MOST_SYMBOLS}, with commas between; alias `symbol`"),
    OpenApiParameter("symbol", str, description="alias of `symbols`"),
    OpenApiParameter("interval", str, enum=[interval.value for interval in Interval], description="`1M` is a month"),
    OpenApiParameter("timeframe", str, description="alias of `interval`; `1D 1W 1mo` are understood"),
    OpenApiParameter("start", str, description="included. ISO with zone, a date, epoch s or ms, `-30d`, `now`"),
    OpenApiParameter("end", str, description="not included"),
    OpenApiParameter("limit", int, description=f"1 to {MOST_BARS:,} bars; {DEFAULT_LIMIT:,} without"),
    OpenApiParameter(
        "order",
        str,
        enum=ORDERS,
        description="Without: the newest bars, newest first. `asc` with `start` begins there; `asc` without it gives "
        "the same newest bars, oldest first, and `next` the older ones before them",
    ),
    OpenApiParameter("shape", str, enum=SHAPES, description="an object a bar, or a list a field"),
    OpenApiParameter("time", str, enum=TIMES, description="how open_time is written"),
    OpenApiParameter("cursor", str, description="from `next`; stands alone"),
]
EXAMPLE = OpenApiExample(
    "One hour of minutes",
    value={
        "bars": [
            {
                "symbol": "DEMO:BTCUSD",
                "open_time": "2026-01-05T14:30:00Z",
                "open": 61250.5,
                "high": 61260.0,
                "low": 61248.25,
                "close": 61251.75,
                "volume": 3.25,
            }
        ],
        "meta": {
            "interval": "1m",
            "expected": 2,
            "returned": 1,
            "missing": [
                {
                    "symbol": "DEMO:BTCUSD",
                    "start": "2026-01-05T14:31:00Z",
                    "end": "2026-01-05T14:32:00Z",
                    "bars": 1,
                }
            ],
            "missing_omitted": 0,
            "includes_forming": False,
            "provisional": 0,
            "partial": 0,
            "sources": {"history": 1},
            "provider": "demo",
            "data_version": "41c7",
            "updated_at": "2026-01-05T14:32:04Z",
        },
        "next": None,
    },
    response_only=True,
)
DESCRIPTION = """Closed bars by time. The range is `[start, end)` of open times; forming bars are never among them.

```
curl 'http://127.0.0.1:8000/api/v1/bars?symbols=DEMO:BTCUSD&interval=1h&start=-30d&limit=500'
```
```python
import requests

session = requests.Session()  # signed in
answer = session.get(
    "http://127.0.0.1:8000/api/v1/bars",
    params={"symbols": "DEMO:BTCUSD", "interval": "1h", "start": "-30d", "order": "asc"},
).json()
```"""

"""The shape of the bars API for its schema. Answers are rendered without these: see rendering.py."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import Direction, OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema_field
from rest_framework import serializers

from domain.bar import BarSource, BarState
from domain.coverage import Reason
from domain.interval import Interval
from marketdata.columns import DEFAULT_FIELDS, FIELDS
from marketdata.formats import FORMATS, JSON
from marketdata.query import (
    DEFAULT_LIMIT,
    FILLS,
    MOST_BARS,
    MOST_SKIPPED,
    MOST_STREAMED,
    MOST_SYMBOLS,
    ORDERS,
    SHAPES,
    TIMES,
)


@extend_schema_field({"oneOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}]})
class MomentField(serializers.Field[Any, Any, Any, Any]):
    """ISO with ``Z``, or a number where ``time`` asks for it."""


class BarSerializer(serializers.Serializer[Any]):
    """Which fields there are is said by `fields`."""

    symbol = serializers.CharField(required=False, help_text="EXCHANGE:TICKER")
    open_time = MomentField(required=False, help_text="the bar's key; epoch seconds, ms or ns with `time`")
    close_time = MomentField(required=False, help_text="the first instant after the bar")
    open = serializers.FloatField(required=False)
    high = serializers.FloatField(required=False)
    low = serializers.FloatField(required=False)
    close = serializers.FloatField(required=False)
    volume = serializers.FloatField(required=False, help_text="in units of the base currency")
    trades = serializers.IntegerField(required=False, allow_null=True, help_text="null where they are not counted")
    interval = serializers.ChoiceField(required=False, choices=[interval.value for interval in Interval])
    state = serializers.ChoiceField(
        required=False,
        allow_null=True,
        choices=[state.value for state in BarState],
        help_text="final: as the provider's history has it; provisional: ours, not confirmed yet; forming: its span is "
        "not over. Always there with `include_forming`",
    )
    source = serializers.ChoiceField(  # type: ignore[assignment]  # a field, which the metaclass takes away
        required=False, allow_null=True, choices=[source.value for source in BarSource]
    )
    partial = serializers.BooleanField(  # type: ignore[assignment]  # the same
        required=False, help_text="ticks of it are known to be missing"
    )
    revision = serializers.IntegerField(required=False, help_text="how often a settled value was corrected")
    filled = serializers.BooleanField(
        required=False, help_text="made up for a bar that is missing. Always there with `fill`"
    )


class MissingSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    start = serializers.DateTimeField(help_text="open time of the first bar that is missing")
    end = serializers.DateTimeField(help_text="close time of the last one")
    bars = serializers.IntegerField()
    reason = serializers.ChoiceField(choices=[reason.value for reason in Reason])
    recoverable_until = serializers.DateTimeField(
        allow_null=True, help_text="from then on its first bar lies beyond the provider's window"
    )
    detail = serializers.CharField(help_text="more on the reason, in words; often nothing")


class FreshnessSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    last = serializers.DateTimeField(allow_null=True, help_text="open time of the newest bar that is stored")
    expected_last = serializers.DateTimeField(
        allow_null=True, help_text="open time of the newest bar that should be, by the calendar and the feed's delay"
    )
    is_current = serializers.BooleanField(allow_null=True, help_text="whether the one reaches the other")
    updated_at = serializers.DateTimeField(allow_null=True, help_text="when the series last changed")
    forming_as_of = serializers.DateTimeField(allow_null=True, help_text="when the forming bar was so")


class AdjustmentSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    before = serializers.DateTimeField(help_text="bars that open before it are scaled")
    factor = serializers.FloatField(help_text="what their prices were multiplied by; volumes are divided by it")
    found_at = serializers.DateTimeField()
    is_open = serializers.BooleanField(help_text="later bars may be scaled too: the next sync settles it")


class BarsMetaSerializer(serializers.Serializer[Any]):
    interval = serializers.ChoiceField(choices=[interval.value for interval in Interval])
    expected = serializers.IntegerField(
        allow_null=True,
        help_text="bars that the calendars expect in the range of this page; null where that is not known",
    )
    returned = serializers.IntegerField(help_text="rows of this page, made-up and forming ones included")
    filled = serializers.IntegerField(help_text="rows that were made up")
    truncated = serializers.BooleanField(help_text="whether more bars lie in the range: `next` leads to them")
    none_at_provider = serializers.IntegerField(
        allow_null=True, help_text="expected, and the provider was asked and has none: nothing traded"
    )
    missing_bars = serializers.IntegerField(allow_null=True, help_text="expected, not stored, and not known to be none")
    missing = MissingSerializer(many=True, help_text="where these are, the newest 200 of each symbol")
    missing_omitted = serializers.IntegerField(help_text="further missing ranges that are not listed")
    includes_forming = serializers.BooleanField(help_text="whether any row is of a bar whose span is not over")
    provisional = serializers.IntegerField(help_text="bars that the provider's history has not confirmed yet")
    partial = serializers.IntegerField(  # type: ignore[assignment]  # a field, which the metaclass takes away
        help_text="bars of which ticks are known to be missing"
    )
    sources = serializers.DictField(child=serializers.IntegerField(), help_text="bars by where they came from")
    provider = serializers.CharField(help_text="several are separated by commas")
    data_version = serializers.CharField(help_text="changes with every change of these series")
    updated_at = serializers.DateTimeField(allow_null=True, help_text="when these series last changed")
    freshness = FreshnessSerializer(many=True)
    adjustments = AdjustmentSerializer(many=True, help_text="splits that older bars were brought to today's scale for")
    notes = serializers.ListField(child=serializers.CharField(), help_text="what could not be told or given, in words")


class BarsField(serializers.Field[Any, Any, Any, Any]):
    """An object a bar, or with ``shape=columns`` a list a field."""


class BarsFieldInSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]  # its __init_subclass__
    target_class = BarsField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        bar = auto_schema.resolve_serializer(BarSerializer, direction)
        columns = {"type": "object", "additionalProperties": {"type": "array", "items": {}}}
        return {"oneOf": [{"type": "array", "items": bar.ref}, columns]}


class BarsSerializer(serializers.Serializer[Any]):
    bars = BarsField(help_text="with `shape=columns` an object of lists instead")
    meta = BarsMetaSerializer()
    next = serializers.URLField(allow_null=True, help_text="the page that follows")


PROBLEM = OpenApiResponse(OpenApiTypes.OBJECT, description="application/problem+json: what is wrong, by parameter")
RESPONSES: dict[Any, Any] = {
    (200, JSON.media_type): BarsSerializer,
    (200, FORMATS["csv"].media_type): OpenApiTypes.STR,
    (200, FORMATS["ndjson"].media_type): OpenApiTypes.STR,
    (200, FORMATS["parquet"].media_type): OpenApiTypes.BINARY,
    (200, FORMATS["arrow"].media_type): OpenApiTypes.BINARY,
    400: PROBLEM,
    403: PROBLEM,
    404: PROBLEM,
    503: PROBLEM,
}
PARAMETERS = [
    OpenApiParameter("symbols", str, description=f"up to {MOST_SYMBOLS}, with commas between; alias `symbol`"),
    OpenApiParameter("symbol", str, description="alias of `symbols`"),
    OpenApiParameter("interval", str, enum=[interval.value for interval in Interval], description="`1M` is a month"),
    OpenApiParameter("timeframe", str, description="alias of `interval`; `1D 1W 1mo` are understood"),
    OpenApiParameter("start", str, description="included. ISO with zone, a date, epoch s or ms, `-30d`, `now`"),
    OpenApiParameter("end", str, description="not included"),
    OpenApiParameter(
        "limit",
        int,
        description=f"1 to {MOST_BARS:,} bars, or {MOST_STREAMED:,} if not json; {DEFAULT_LIMIT:,} without",
    ),
    OpenApiParameter(
        "offset", int, description=f"bars to skip first, at most {MOST_SKIPPED:,}; `next` reaches further"
    ),
    OpenApiParameter(
        "order",
        str,
        enum=ORDERS,
        description="Without: the newest bars, newest first. `asc` with `start` begins there; `asc` without it gives "
        "the same newest bars, oldest first, and `next` the older ones before them",
    ),
    OpenApiParameter("shape", str, enum=SHAPES, description="an object a bar, or a list a field"),
    OpenApiParameter("time", str, enum=TIMES, description="how open_time is written"),
    OpenApiParameter(
        "fields", str, description=f"with commas between, of {', '.join(FIELDS)}; {','.join(DEFAULT_FIELDS)} without"
    ),
    OpenApiParameter(
        "fill",
        str,
        enum=FILLS,
        description="Make up rows for missing bars, each flagged `filled`: with zeros, or with the close before",
    ),
    OpenApiParameter("include_forming", bool, description="the forming bar too, flagged in `state`"),
    OpenApiParameter(
        "format", str, enum=tuple(FORMATS), description="in place of `Accept`; all but json are streamed as files"
    ),
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
            "filled": 0,
            "none_at_provider": 0,
            "missing_bars": 1,
            "truncated": False,
            "missing": [
                {
                    "symbol": "DEMO:BTCUSD",
                    "start": "2026-01-05T14:31:00Z",
                    "end": "2026-01-05T14:32:00Z",
                    "bars": 1,
                    "reason": "not asked",
                    "recoverable_until": "2026-01-09T01:51:00Z",
                    "detail": "",
                }
            ],
            "missing_omitted": 0,
            "includes_forming": False,
            "provisional": 0,
            "partial": 0,
            "sources": {"history": 1},
            "provider": "demo",
            "data_version": "41c7",
            "updated_at": "2026-01-05T14:31:04Z",
            "freshness": [
                {
                    "symbol": "DEMO:BTCUSD",
                    "last": "2026-01-05T14:30:00Z",
                    "expected_last": "2026-01-05T14:31:00Z",
                    "is_current": False,
                    "updated_at": "2026-01-05T14:31:04Z",
                    "forming_as_of": None,
                }
            ],
            "adjustments": [],
            "notes": [],
        },
        "next": None,
    },
    response_only=True,
    media_type=JSON.media_type,
)
DESCRIPTION = """Bars by time, closed ones unless `include_forming` asks for more. The range is `[start, end)` of open
times. `docs/api.md` tells the whole of it.

```
curl -H "Authorization: Bearer $TOKEN" 'http://127.0.0.1:8000/api/v1/bars?symbols=DEMO:BTCUSD&interval=1h&start=-30d&limit=500'
curl -OJ -H "Authorization: Bearer $TOKEN" 'http://127.0.0.1:8000/api/v1/bars?symbols=DEMO:BTCUSD&interval=1m&limit=100000&format=parquet'
```
```python
import requests

answer = requests.get(
    "http://127.0.0.1:8000/api/v1/bars",
    params={"symbols": "DEMO:BTCUSD", "interval": "1h", "start": "-30d", "order": "asc"},
    headers={"Authorization": f"Bearer {token}"},
).json()
```"""

"""The body of an order to sync, checked, and the shapes of the answers for the schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from domain.errors import InvalidRequest
from domain.interval import Interval
from marketdata.models import SyncItem, SyncRun
from marketdata.moments import HOW, parse_moment
from symbols.parameters import unknown_parameters

INTERVALS = [interval.value for interval in Interval]


class Strict(serializers.Serializer[Any]):
    """Refuses fields it does not know, with the nearest name."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (problems := unknown_parameters(map(str, data), list(self.fields))):
            raise serializers.ValidationError(problems)
        return super().to_internal_value(data)


class MomentField(serializers.CharField):
    """A moment as everywhere in the API; relative ones count back from now."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            return parse_moment(super().to_internal_value(data), timezone.now())
        except InvalidRequest as error:
            raise serializers.ValidationError(str(error)) from error


class IntervalField(serializers.CharField):
    def to_internal_value(self, data: Any) -> Any:
        try:
            return Interval.parse(super().to_internal_value(data))
        except InvalidRequest as error:
            raise serializers.ValidationError(str(error)) from error


def _words(help_text: str) -> serializers.ListField:
    child = serializers.CharField(max_length=80)
    return serializers.ListField(child=child, required=False, default=list, max_length=1_000, help_text=help_text)


class SyncFilterSerializer(Strict):
    """Which symbols of the registry; several values of a field mean "or", several fields "and"."""

    exchange = _words("codes such as NASDAQ")
    type = _words("such as stock, spot, forex")
    provider = _words("such as tradingview")
    status = _words("active or unresolved")


class SyncOrderSerializer(Strict):
    symbols = serializers.ListField(
        child=serializers.CharField(max_length=120),
        required=False,
        default=list,
        max_length=10_000,
        help_text="EXCHANGE:TICKER each; with `filter` those of them that it lets through",
    )
    filter = SyncFilterSerializer(required=False, default=dict)
    intervals = serializers.ListField(
        child=IntervalField(max_length=10), required=False, default=list, max_length=26, help_text="all 13 without"
    )
    start = MomentField(
        required=False, allow_null=True, default=None, help_text=f"included; without: the provider's window. {HOW}"
    )
    end = MomentField(required=False, allow_null=True, default=None, help_text="not included; without: now")
    missing_only = serializers.BooleanField(
        default=True, help_text="ask for what is missing or unconfirmed; false: ask for the whole range and compare"
    )
    dry_run = serializers.BooleanField(default=False, help_text="show the plan, ask and write nothing")
    wait = serializers.BooleanField(default=False, help_text="answer when it is done: for one small series")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        start, end = attrs["start"], attrs["end"] or timezone.now()
        if start is not None and start >= end:
            raise serializers.ValidationError({"start": "must be before the end"})
        if attrs["dry_run"] and attrs["wait"]:
            raise serializers.ValidationError({"wait": "a dry run does nothing that could be waited for"})
        return attrs


class SyncItemSerializer(serializers.ModelSerializer[SyncItem]):
    symbol = serializers.CharField(source="symbol.code")
    next_try_at = serializers.SerializerMethodField(help_text="of a series that failed and is tried again by itself")
    is_set_aside = serializers.BooleanField(help_text="it failed and is not tried again by itself")

    class Meta:
        model = SyncItem
        fields = (
            "id", "symbol", "interval", "state", "planned_bars", "inserted", "replaced", "unchanged", "missing",
            "requests", "truncated_before", "reason", "failures", "next_try_at", "is_set_aside", "started_at",
            "finished_at", "seconds",
        )  # fmt: skip

    def get_next_try_at(self, item: SyncItem) -> str | None:
        is_waiting = item.state == SyncItem.State.ERROR and item.due_at is not None
        return item.due_at.isoformat().replace("+00:00", "Z") if is_waiting and item.due_at else None


class SyncCountsSerializer(serializers.Serializer[Any]):
    """Series by state."""

    pending = serializers.IntegerField()
    syncing = serializers.IntegerField()
    completed = serializers.IntegerField()
    up_to_date = serializers.IntegerField()
    partial = serializers.IntegerField()  # type: ignore[assignment]  # a field, which the metaclass takes away
    error = serializers.IntegerField()
    cancelled = serializers.IntegerField()


class SyncRunSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    url = serializers.URLField()
    state = serializers.ChoiceField(choices=SyncRun.State.choices)
    kind = serializers.ChoiceField(choices=SyncRun.Kind.choices)
    start = serializers.DateTimeField(allow_null=True)
    end = serializers.DateTimeField(allow_null=True)
    missing_only = serializers.BooleanField()
    requested_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True, help_text="null while no worker has begun")
    finished_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    series = serializers.IntegerField()
    done = serializers.IntegerField(help_text="series about which nothing more will happen by itself")
    items_by_state = SyncCountsSerializer()
    inserted = serializers.IntegerField(help_text="bars, as the other counts")
    replaced = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    missing = serializers.IntegerField(help_text="still expected and absent when their series ended")
    requests = serializers.IntegerField(help_text="pages asked of providers")
    bars_per_second = serializers.FloatField(allow_null=True)
    seconds_left = serializers.FloatField(allow_null=True, help_text="about; null where that is not known yet")
    next_try_at = serializers.DateTimeField(allow_null=True, help_text="of the first series that failed")


class SyncRunPageSerializer(serializers.Serializer[Any]):
    runs = SyncRunSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class SyncRunDetailSerializer(SyncRunSerializer):
    items = SyncItemSerializer(many=True)
    next = serializers.URLField(allow_null=True, help_text="further items")


class PlannedRequestSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    bars = serializers.IntegerField()
    pages = serializers.IntegerField()


class PlannedHoleSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField(help_text="key of the first missing bar")
    end = serializers.DateTimeField(help_text="not included")
    bars = serializers.IntegerField()
    reason = serializers.CharField()
    recoverable_until = serializers.DateTimeField(allow_null=True)


class SeriesPlanSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    interval = serializers.ChoiceField(choices=INTERVALS)
    requests = PlannedRequestSerializer(many=True)
    bars = serializers.IntegerField()
    pages = serializers.IntegerField()
    holes = PlannedHoleSerializer(many=True)
    holes_omitted = serializers.IntegerField()
    truncated_before = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)


class SyncPlanSerializer(serializers.Serializer[Any]):
    series = SeriesPlanSerializer(many=True, help_text="those for which something would be asked")
    series_up_to_date = serializers.IntegerField()
    bars = serializers.IntegerField()
    pages = serializers.IntegerField(help_text="requests to providers")
    seconds = serializers.FloatField(help_text="about")

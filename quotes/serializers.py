"""Quotes as the API shows them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from quotes.status import FeedState


class FeedStatusSerializer(serializers.Serializer[dict[str, Any]]):
    state = serializers.ChoiceField(choices=[state.value for state in FeedState])
    reason = serializers.CharField(allow_blank=True)
    since = serializers.DateTimeField()
    delay_seconds = serializers.IntegerField()
    opens_at = serializers.DateTimeField(allow_null=True)
    retry_at = serializers.DateTimeField(allow_null=True)
    as_of = serializers.DateTimeField()


class LatestQuoteSerializer(serializers.Serializer[dict[str, Any]]):
    time = serializers.DateTimeField(help_text="the provider's time of the last price")
    last = serializers.FloatField(allow_null=True)
    bid = serializers.FloatField(allow_null=True)
    ask = serializers.FloatField(allow_null=True)
    volume = serializers.FloatField(allow_null=True, help_text="of the running day")
    prev_close = serializers.FloatField(allow_null=True)
    change = serializers.FloatField(allow_null=True)
    change_percent = serializers.FloatField(allow_null=True)
    open = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    as_of = serializers.DateTimeField()


class SymbolQuoteSerializer(serializers.Serializer[dict[str, Any]]):
    symbol = serializers.CharField()
    quote = LatestQuoteSerializer(allow_null=True, help_text="null while none is known")
    status = FeedStatusSerializer()


class QuotesSerializer(serializers.Serializer[dict[str, Any]]):
    quotes = SymbolQuoteSerializer(many=True)
    as_of = serializers.DateTimeField()

"""Symbols as the API shows them."""

from __future__ import annotations

import functools
import time
from datetime import UTC, datetime
from typing import TypedDict

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from domain.calendars import get_calendar
from domain.errors import UnknownCalendar
from symbols.models import Symbol


class SessionState(TypedDict):
    """Whether a market is open now and when that changes; times are None where the calendar does not know."""

    is_open: bool | None
    next_open: datetime | None
    next_close: datetime | None


class SessionSerializer(serializers.Serializer[SessionState]):
    is_open = serializers.BooleanField(allow_null=True)
    next_open = serializers.DateTimeField(allow_null=True)
    next_close = serializers.DateTimeField(allow_null=True)


@functools.lru_cache(maxsize=256)  # a list of 500 stocks follows a handful of calendars
def session_at(calendar_name: str, now: int) -> SessionState:
    """The session state at epoch second ``now``."""
    try:
        calendar = get_calendar(calendar_name)
        return {
            "is_open": calendar.is_open(now),
            "next_open": _instant(calendar.next_open(now)),
            "next_close": _instant(calendar.next_close(now)),
        }
    except UnknownCalendar:
        return {"is_open": None, "next_open": None, "next_close": None}


def _instant(second: int | None) -> datetime | None:
    return None if second is None else datetime.fromtimestamp(second, UTC)


class SymbolSerializer(serializers.ModelSerializer[Symbol]):
    symbol = serializers.CharField(source="code", help_text="EXCHANGE:TICKER")
    exchange = serializers.CharField(source="exchange.code")
    calendar = serializers.CharField(source="calendar_name")
    timezone = serializers.CharField(source="exchange.timezone")
    session = serializers.SerializerMethodField()

    class Meta:
        model = Symbol
        fields = (
            "id",
            "symbol",
            "exchange",
            "ticker",
            "name",
            "type",
            "base_currency",
            "quote_currency",
            "price_decimals",
            "tick_size",
            "has_volume",
            "provider",
            "calendar",
            "timezone",
            "session",
            "delay_seconds",
            "status",
            "status_reason",
            "streaming",
            "added_at",
        )
        read_only_fields = fields

    @extend_schema_field(SessionSerializer)
    def get_session(self, symbol: Symbol) -> SessionState:
        return session_at(symbol.calendar_name, int(time.time()))

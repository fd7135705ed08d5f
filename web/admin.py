"""The registry in the admin: what is followed, and what its provider told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from symbols.models import Exchange, Symbol

if TYPE_CHECKING:
    SymbolAdminBase = admin.ModelAdmin[Symbol]
    ExchangeAdminBase = admin.ModelAdmin[Exchange]
else:
    SymbolAdminBase = ExchangeAdminBase = ModelAdmin


@admin.register(Symbol)
class SymbolAdmin(SymbolAdminBase):
    """Symbols are added by `manage.py symbols add`, which asks their provider, and retired rather than deleted."""

    list_display = ("code", "name", "type", "provider", "calendar_name", "streaming", "status", "chart")
    list_filter = ("exchange", "provider", "type", "status", "streaming")
    search_fields = ("code", "name")
    list_select_related = ("exchange",)
    fields = (
        ("code", "name", "type"),
        ("streaming", "status", "status_reason"),
        ("provider", "provider_code", "delay_seconds"),
        ("calendar", "price_decimals", "tick_size", "has_volume"),
        ("base_currency", "quote_currency", "added_at"),
    )
    # The rest is the provider's to say, and stored bars depend on it.
    readonly_fields = tuple(name for row in fields for name in row if name not in ("name", "streaming", "status"))

    @admin.display(description="Chart")
    def chart(self, symbol: Symbol) -> SafeString:
        return format_html('<a href="{}">Open</a>', reverse("chart", args=[symbol.code]))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Symbol | None = None) -> bool:
        return False


@admin.register(Exchange)
class ExchangeAdmin(ExchangeAdminBase):
    """Venues come with their symbols. A calendar is not changed here: it decides where every stored bar lies."""

    list_display = ("code", "name", "mic", "calendar", "timezone")
    search_fields = ("code", "name", "mic")
    readonly_fields = ("code", "mic", "calendar")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Exchange | None = None) -> bool:
        return False

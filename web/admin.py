"""The registry, syncs and schedules in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_q.admin import ScheduleAdmin as QueueScheduleAdmin
from django_q.models import Schedule
from unfold.admin import ModelAdmin

from marketdata.models import SyncItem, SyncRun
from symbols.models import Exchange, Symbol

if TYPE_CHECKING:
    SymbolAdminBase = admin.ModelAdmin[Symbol]
    ExchangeAdminBase = admin.ModelAdmin[Exchange]
    SyncRunAdminBase = admin.ModelAdmin[SyncRun]
    SyncItemAdminBase = admin.ModelAdmin[SyncItem]
else:
    SymbolAdminBase = ExchangeAdminBase = SyncRunAdminBase = SyncItemAdminBase = ModelAdmin


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


class _Record:
    """What happened: it is looked at here, and changed by the pages and the API, which know what follows from it."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(SyncRun)
class SyncRunAdmin(_Record, SyncRunAdminBase):
    list_display = ("id", "kind", "state", "requested_by", "created_at", "finished_at", "reason", "page")
    list_filter = ("kind", "state")
    list_select_related = ("requested_by",)

    @admin.display(description="Page")
    def page(self, run: SyncRun) -> SafeString:
        return format_html('<a href="{}">Open</a>', reverse("sync-page", args=[run.pk]))


@admin.register(SyncItem)
class SyncItemAdmin(_Record, SyncItemAdminBase):
    list_display = ("symbol", "interval", "state", "inserted", "missing", "failures", "due_at", "reason", "run_page")
    list_filter = ("state", "interval", "provider")
    search_fields = ("symbol__code", "reason")
    list_select_related = ("symbol", "run")

    @admin.display(description="Run")
    def run_page(self, item: SyncItem) -> SafeString:
        return format_html('<a href="{}">{}</a>', reverse("sync-page", args=[item.run_id]), item.run_id)


admin.site.unregister(Schedule)


@admin.register(Schedule)
class ScheduleAdmin(ModelAdmin, QueueScheduleAdmin):  # type: ignore[misc]  # neither package tells its types
    """The queue's own, in the look of the rest: when it runs is edited here, and a row that was edited stays so."""

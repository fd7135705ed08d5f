"""The registry: which instruments exist, where they trade and who provides them."""

from __future__ import annotations

from typing import Self

from django.db import models

from domain.errors import UnknownSymbol
from domain.instrument import LOTS_PER_UNIT, Instrument


class Exchange(models.Model):
    """A venue as TradingView writes it, and the calendar that most of its symbols follow."""

    code = models.CharField(max_length=24, unique=True)
    name = models.CharField(max_length=100, blank=True)
    mic = models.CharField(max_length=4, blank=True, help_text="ISO 10383 code")
    calendar = models.CharField(max_length=32, default="24/7", help_text="24/7, forex, or a MIC such as XNYS")
    timezone = models.CharField(max_length=64, default="UTC")

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return self.code


class SymbolQuerySet(models.QuerySet["Symbol"]):
    """Questions to the registry."""

    def active(self) -> Self:
        """All that are not retired, each with its exchange."""
        return self.exclude(status=Symbol.Status.RETIRED).select_related("exchange")

    def provided(self) -> Self:
        """Those of them that a provider is asked for without anybody's word."""
        return self.active().exclude(status=Symbol.Status.OFFLINE)

    def streaming(self) -> Self:
        """Those that should be followed live."""
        return self.active().filter(streaming=True)

    def with_code(self, code: str) -> Symbol:
        """The symbol ``EXCHANGE:TICKER``. Raises UnknownSymbol."""
        found = self.select_related("exchange").filter(code=code).first()
        if found is None:
            raise UnknownSymbol(f"unknown symbol {code[:80]!r}: add it with `manage.py symbols add EXCHANGE:TICKER`")
        return found

    def matching(self, text: str) -> Self:
        """Those whose code or name holds ``text``, upper and lower case alike."""
        return self.filter(models.Q(code__icontains=text) | models.Q(name__icontains=text))


class Symbol(models.Model):
    """A thing that is traded. Its ``id`` names it in every store and is never reused, so a rename keeps its bars."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        UNRESOLVED = "unresolved"  # registered, but its provider has not told its details yet; see `status_reason`
        OFFLINE = "offline"  # its bars come from files; its provider is asked only for who names it
        RETIRED = "retired"  # kept for its bars, no longer synced or followed

    exchange = models.ForeignKey(Exchange, on_delete=models.PROTECT, related_name="symbols")
    ticker = models.CharField(max_length=48)
    code = models.CharField(max_length=80, unique=True, help_text="EXCHANGE:TICKER")
    name = models.CharField(max_length=200, blank=True)
    type = models.CharField(max_length=32, blank=True)
    base_currency = models.CharField(max_length=16, blank=True)
    quote_currency = models.CharField(max_length=16, blank=True)
    price_decimals = models.PositiveSmallIntegerField(default=2)
    tick_size = models.FloatField(default=0.01)
    lots_per_unit = models.BigIntegerField(default=LOTS_PER_UNIT, help_text="sizes are counted in 1 / this")
    has_volume = models.BooleanField(default=True)
    provider = models.CharField(max_length=32, default="tradingview")
    provider_code = models.CharField(max_length=100, blank=True)
    calendar = models.CharField(max_length=32, blank=True, help_text="blank: the exchange's")
    delay_seconds = models.PositiveIntegerField(default=0, help_text="how late the feed is by contract")
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    status_reason = models.CharField(max_length=300, blank=True)
    streaming = models.BooleanField(default=True, help_text="follow live; the streamer reconciles to this")
    added_at = models.DateTimeField(auto_now_add=True)

    objects = SymbolQuerySet.as_manager()

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return self.code

    @property
    def calendar_name(self) -> str:
        """The calendar it follows: its own, else its exchange's."""
        return self.calendar or self.exchange.calendar

    def instrument(self) -> Instrument:
        """What the fold, the stores and the providers need to know of it."""
        return Instrument(
            symbol=self.code,
            id=self.pk,
            name=self.name,
            type=self.type,
            provider=self.provider,
            provider_code=self.provider_code,
            calendar=self.calendar_name,
            base_currency=self.base_currency,
            quote_currency=self.quote_currency,
            price_decimals=self.price_decimals,
            tick_size=self.tick_size,
            lots_per_unit=self.lots_per_unit,
            has_volume=self.has_volume,
            delay_seconds=self.delay_seconds,
        )

"""What can be done to the registry."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext

from django.db import transaction

from domain.calendars import get_calendar
from domain.errors import InvalidRequest, ProtocolError, ProviderRejected, ProviderUnavailable, UnknownSymbol
from domain.instrument import Instrument, is_symbol
from providers.base import Provider
from symbols.models import Exchange, Symbol
from symbols.signals import symbol_added
from symbols.sources import opened_provider, provider_name_for
from symbols.venues import VENUES

# Fields of a Symbol that its provider knows better than we do.
_RESOLVED_FIELDS = (
    "name", "type", "base_currency", "quote_currency", "price_decimals", "tick_size", "lots_per_unit", "has_volume",
    "provider_code", "delay_seconds",
)  # fmt: skip


# Its provider has not told what it is.
_UNTOLD = (Symbol.Status.UNRESOLVED, Symbol.Status.OFFLINE)


def normal_code(text: str) -> str:
    """``text`` as ``EXCHANGE:TICKER``, upper case. Raises InvalidRequest that says how to write it."""
    code = text.strip()
    code = code.upper() if code.isascii() else code
    if not is_symbol(code):
        raise InvalidRequest(f"not a symbol: {text[:80]!r}; write EXCHANGE:TICKER, for example NASDAQ:AAPL")
    return code


def add_symbol(
    *,
    code: str,
    provider: Provider | None = None,
    streaming: bool = True,
    details: Instrument | None = None,
) -> tuple[Symbol, bool]:
    """Register ``code`` and return it, and whether it is new.

    What the symbol is comes from ``details``, else from ``provider`` (default: the one that serves its exchange).
    While that does not answer, the symbol is registered all the same, as unresolved and with the reason; adding it
    again, a sync or the streamer resolves it later. Raises InvalidRequest, or UnknownSymbol and ProviderRejected
    where the provider says that there is no such symbol.
    """
    code = normal_code(code)
    known = Symbol.objects.filter(code=code).select_related("exchange").first()
    if known is not None and (known.status not in _UNTOLD or details is None):
        resolve_symbol(symbol=known, provider=provider)
        return known, False
    reason = ""
    if details is None:
        details, reason = _ask(code, provider)
    with transaction.atomic():
        symbol, created = _register(code, streaming=streaming)
        if details is not None:
            _take_details(symbol, details)
        else:
            symbol.status, symbol.status_reason = Symbol.Status.UNRESOLVED, reason[:300]
        symbol.save()
        if created:
            transaction.on_commit(lambda: _announce(code))
    return symbol, created


def add_offline(*, code: str, calendar: str = "") -> tuple[Symbol, bool]:
    """Register ``code`` without asking any provider, and not to be followed: its bars come from files.

    Schedules leave it alone; a sync that names it asks its provider. ``calendar``: blank is the exchange's. Raises
    InvalidRequest, and UnknownCalendar.
    """
    code = normal_code(code)
    if calendar:
        get_calendar(calendar)
    with transaction.atomic():
        symbol, created = _register(code, streaming=False)
        if created:
            symbol.status = Symbol.Status.OFFLINE
            symbol.status_reason = "registered offline: its provider was not asked"
            symbol.calendar = "" if calendar == symbol.exchange.calendar else calendar
            symbol.save()
    return symbol, created


def add_symbols(instruments: Iterable[Instrument], *, streaming: bool = True) -> list[tuple[Symbol, bool]]:
    """Register instruments whose details are known; safe to repeat."""
    return [add_symbol(code=found.symbol, details=found, streaming=streaming) for found in instruments]


def resolve_symbol(*, symbol: Symbol, provider: Provider | None = None) -> bool:
    """Ask the provider what an unresolved or offline ``symbol`` is; return whether it is resolved now.

    Nothing is asked for one that is resolved or retired. Raises UnknownSymbol and ProviderRejected.
    """
    if symbol.status not in _UNTOLD:
        return symbol.status == Symbol.Status.ACTIVE
    try:
        details, reason = _ask(symbol.code, provider)
    except (UnknownSymbol, ProviderRejected) as error:
        _note_reason(symbol, str(error))
        raise
    if details is None:
        _note_reason(symbol, reason)
        return False
    with transaction.atomic():
        _take_details(symbol, details)
        symbol.save()
    return True


def _note_reason(symbol: Symbol, reason: str) -> None:
    symbol.status_reason = reason[:300]
    symbol.save(update_fields=["status_reason"])


def _announce(code: str) -> None:
    symbol_added.send_robust(sender=Symbol, symbol=code)


def _ask(code: str, provider: Provider | None) -> tuple[Instrument | None, str]:
    """What the provider knows of ``code``, or why it could not be asked."""
    source = nullcontext(provider) if provider else opened_provider(provider_name_for(code))
    try:
        with source as asked:
            return asked.resolve(code), ""
    except (ProviderUnavailable, ProtocolError) as error:
        return None, f"not resolved yet: {error}"


def _register(code: str, *, streaming: bool) -> tuple[Symbol, bool]:
    """The row of ``code``, made from what the name and our table of venues tell."""
    venue_code, _, ticker = code.partition(":")
    venue = VENUES.get(venue_code)
    exchange, _ = Exchange.objects.get_or_create(code=venue_code, defaults=venue._asdict() if venue else {})
    return Symbol.objects.get_or_create(
        code=code,
        defaults={
            "exchange": exchange,
            "ticker": ticker,
            "provider": provider_name_for(code),
            "provider_code": code,
            "streaming": streaming,
        },
    )


def _take_details(symbol: Symbol, details: Instrument) -> None:
    for field in _RESOLVED_FIELDS:
        setattr(symbol, field, getattr(details, field))
    symbol.calendar = "" if details.calendar == symbol.exchange.calendar else details.calendar
    symbol.status, symbol.status_reason = Symbol.Status.ACTIVE, ""

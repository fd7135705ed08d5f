"""What the wire says about a symbol: the answer to `resolve_symbol` and the fields of a quote that never change."""

from __future__ import annotations

import functools

from providers.demo.instruments import EXCHANGE, Listing

ANONYMOUS_UPDATE_SECONDS = 5


def update_mode(listing: Listing) -> str:
    return f"delayed_streaming_{listing.delay_seconds}" if listing.delay_seconds else "streaming"


@functools.lru_cache(maxsize=4_096)
def price_format(listing: Listing) -> dict[str, object]:
    return {
        "pricescale": listing.pricescale,
        "minmov": listing.minmov,
        "minmove2": 0,
        "fractional": False,
        "format": "price",
        "pointvalue": 50 if listing.type == "futures" else 1,
        "variable_tick_size": "",
    }


def _names(listing: Listing) -> dict[str, object]:
    return {
        "description": listing.name,
        "local_description": listing.name,
        "short_description": listing.name,
        "language": "en",
        "exchange": EXCHANGE,
        "listed_exchange": listing.listed_exchange,
        "provider_id": "demo",
        "source_id": EXCHANGE,
        "source2": {"id": EXCHANGE, "name": "Demo market", "description": "Invented prices"},
        "country_code": listing.country,
        "type": listing.type,
        "typespecs": list(listing.typespecs),
        "currency_code": listing.currency,
        "currency_id": listing.currency,
        "timezone": listing.timezone,
        "session_holidays": "",
    }


def _base_currency(listing: Listing) -> dict[str, object]:
    if not listing.base_currency:
        return {}
    return {"base_currency": listing.base_currency, "base_currency_id": listing.base_currency}


def _subsessions(listing: Listing) -> list[dict[str, object]]:
    return [
        {
            "id": "regular",
            "description": "Regular Trading Hours",
            "private": False,
            "session": listing.session,
            "session-display": listing.session,
            "session-correction": "",
        }
    ]


@functools.lru_cache(maxsize=4_096)
def quote_fields(listing: Listing) -> dict[str, object]:
    """Fields of a quote that stay as they are. Callers must not change the dict."""
    fields = {
        "short_name": listing.ticker,
        "pro_name": listing.symbol,
        "original_name": listing.symbol,
        "subsession_id": "regular",
        "subsessions": _subsessions(listing),
        "update_mode": update_mode(listing),
        "is_tradable": True,
        "status": "",
        "hub_rt_loaded": True,
        "trade_loaded": True,
        "fundamentals": None,
        "logoid": "",
        # Nothing trades outside the regular session here, which the service tells with null.
        "rtc": None,
        "rtc_time": None,
        "rch": None,
        "rchp": None,
    }
    return fields | _names(listing) | _base_currency(listing) | price_format(listing)


@functools.lru_cache(maxsize=4_096)
def resolved(listing: Listing) -> dict[str, object]:
    """The third parameter of `symbol_resolved`. Callers must not change the dict."""
    info: dict[str, object] = {
        "name": listing.ticker,
        "full_name": listing.symbol,
        "pro_name": listing.symbol,
        "base_name": [listing.symbol],
        "legs": [listing.symbol],
        "session": listing.session,
        "session_display": listing.session,
        "subsession_id": "regular",
        "subsessions": _subsessions(listing),
        "has_intraday": True,
        "has_extended_hours": False,
        "has_adjustment": listing.type == "stock",
        "allowed_adjustment": "any" if listing.type == "stock" else "none",
        "is_tradable": True,
        "is_replayable": False,
        "pro_perm": "",
        "bar_source": "trade",
        "bar_transform": "none",
        "bar_fillgaps": False,
        "visible_plots_set": "ohlcv" if listing.has_volume else "ohlc",
        "volume_type": "base" if listing.base_currency else "",
        "aliases": [],
        "alternatives": [],
        "country": listing.country,
        "perms": {"rt": {"prefix": EXCHANGE}},
    }
    if listing.delay_seconds:
        info["delay"] = listing.delay_seconds
    if listing.calendar == "24/7":
        info["typespecs"] = list(listing.typespecs)
    return info | _names(listing) | _base_currency(listing) | price_format(listing)

"""Symbol search and the one-shot quote, as the service's HTTP endpoints answer them."""

from __future__ import annotations

from collections.abc import Mapping

from providers.demo.instruments import EXCHANGE, Listing
from providers.demo.market import DemoMarket

PAGE = 50
_TYPES = {
    "stock": {"stock"},
    "stocks": {"stock"},
    "futures": {"futures"},
    "forex": {"forex"},
    "crypto": {"spot"},
    "index": {"index"},
}


def search(market: DemoMarket, query: Mapping[str, str], *, legacy: bool = False) -> object:
    """The answer to a search: an object with ``symbols``; the legacy endpoint's is the bare list."""
    text = query.get("text", "").strip()
    prefix, _, ticker = text.rpartition(":")
    exchange = (query.get("exchange") or prefix).strip().upper()
    kinds = _TYPES.get(query.get("search_type") or query.get("type") or "", set())
    found = [
        listing
        for listing in market.listings()
        if exchange in ("", EXCHANGE) and (not kinds or listing.type in kinds) and _matches(listing, ticker.strip())
    ]
    found.sort(key=lambda listing: (listing.ticker.casefold() != ticker.casefold(), len(listing.ticker)))
    start = query.get("start", "0")
    first = int(start) if start.isdecimal() and len(start) < 9 else 0
    page = found[first : first + PAGE]
    rows = [_row(listing, ticker.strip() if query.get("hl") == "1" else "") for listing in page]
    if legacy:
        return rows
    return {"symbols_remaining": max(len(found) - first - len(page), 0), "symbols": rows}


def _matches(listing: Listing, text: str) -> bool:
    wanted = text.casefold()
    return wanted in listing.ticker.casefold() or wanted in listing.name.casefold()


def _row(listing: Listing, marked: str) -> dict[str, object]:
    row: dict[str, object] = {
        "symbol": _mark(listing.ticker, marked),
        "description": _mark(listing.name, marked),
        "type": listing.type,
        "exchange": EXCHANGE,
        "prefix": EXCHANGE,
        "currency_code": listing.currency,
        "provider_id": "demo",
        "typespecs": list(listing.typespecs),
        "source_id": EXCHANGE,
        "source2": {"id": EXCHANGE, "name": "Demo market", "description": "Invented prices"},
        "country": listing.country,
        "found_by_isin": False,
        "is_primary_listing": True,
    }
    return row


def _mark(text: str, wanted: str) -> str:
    """``text`` with the part that was looked for in ``<em>``, as ``hl=1`` asks."""
    place = text.casefold().find(wanted.casefold()) if wanted else -1
    if place < 0 or len(text.casefold()) != len(text):
        return text
    end = place + len(wanted)
    return f"{text[:place]}<em>{text[place:end]}</em>{text[end:]}"


def one_shot(fields: Mapping[str, object], wanted: str) -> dict[str, object]:
    """The fields that a one-shot quote asks for; the scanner calls the last price ``close``."""
    known = dict(fields) | {
        "close": fields.get("lp"),
        "change": fields.get("chp"),
        "change_abs": fields.get("ch"),
        "open": fields.get("open_price"),
        "high": fields.get("high_price"),
        "low": fields.get("low_price"),
        "name": fields.get("short_name"),
        "currency": fields.get("currency_code"),
    }
    names = [name for name in wanted.split(",") if name]
    return {name: known.get(name) for name in names} if names else known

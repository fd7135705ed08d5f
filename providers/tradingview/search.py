"""Symbol search over HTTP."""

from __future__ import annotations

import html
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from domain.errors import ProtocolError, ProviderRejected, ProviderUnavailable
from domain.instrument import is_symbol
from providers.base import SymbolMatch
from providers.tradingview.endpoint import ORIGIN, USER_AGENT, is_loopback
from providers.tradingview.failures import LIMITED_SECONDS

_TIMEOUT_SECONDS = 10.0
_LONGEST_ANSWER = 4 * 2**20
_MARKS = re.compile(r"</?em>")


def search_symbols(url: str, text: str, limit: int) -> list[SymbolMatch]:
    """Symbols that match ``text``, which may name the exchange: ``BINANCE:BTC``.

    Raises ProviderUnavailable, ProviderRejected, ProtocolError.
    """
    exchange, _, ticker = text.strip().rpartition(":")
    query = {"text": ticker, "exchange": exchange, "hl": 1, "lang": "en", "search_type": "undefined"}
    answer = _get(f"{url}?{urlencode(query | {'domain': 'production', 'start': 0})}")
    matches: dict[str, SymbolMatch] = {}
    for match in _matches(answer):
        matches.setdefault(match.symbol, match)
        if len(matches) >= limit:
            break
    return list(matches.values())


def _get(url: str) -> object:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ProviderRejected(f"not an address to search at: {url[:100]}")
    request = urllib.request.Request(url, headers={"Origin": ORIGIN, "User-Agent": USER_AGENT})  # noqa: S310  # checked
    proxies = urllib.request.ProxyHandler({}) if is_loopback(url) else urllib.request.ProxyHandler()
    try:
        with urllib.request.build_opener(proxies).open(request, timeout=_TIMEOUT_SECONDS) as response:
            body = response.read(_LONGEST_ANSWER + 1)
    except urllib.error.HTTPError as error:
        raise _refused(error) from error
    except OSError as error:  # URLError and timeouts are OSErrors
        raise ProviderUnavailable(f"symbol search does not answer: {error}") from error
    if len(body) > _LONGEST_ANSWER:
        raise ProtocolError("symbol search answers without end")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"symbol search answers no JSON: {body[:80]!r}") from error


def _refused(error: urllib.error.HTTPError) -> Exception:
    if error.code == 429:
        return ProviderUnavailable("symbol search limits us (HTTP 429)", retry_after_seconds=LIMITED_SECONDS)
    if error.code >= 500:
        return ProviderUnavailable(f"symbol search fails (HTTP {error.code})")
    return ProviderRejected(f"symbol search refuses (HTTP {error.code})")


def _matches(answer: object) -> Iterator[SymbolMatch]:
    """Rows of the present form (an object with ``symbols``) and of the old one (the bare list)."""
    rows = answer.get("symbols") if isinstance(answer, dict) else answer
    if not isinstance(rows, list):
        raise ProtocolError("symbol search answers without symbols")
    for row in rows:
        if isinstance(row, dict):
            yield from _row(row)


def _row(row: dict[str, Any]) -> Iterator[SymbolMatch]:
    """A future is a root that does not chart; its contracts do."""
    contracts = row.get("contracts")
    for item in contracts if isinstance(contracts, list) and contracts else [row]:
        if not isinstance(item, dict):
            continue
        venue = _text(item, "prefix") or _text(row, "prefix") or _text(row, "exchange").partition(" ")[0]
        symbol = f"{venue.upper()}:{_text(item, 'symbol')}"
        if is_symbol(symbol):
            name = _text(item, "description") or _text(row, "description")
            yield SymbolMatch(symbol, name, _text(row, "type"), _text(row, "exchange"), _text(row, "currency_code"))


def _text(row: dict[str, Any], name: str) -> str:
    """A text of the row without the marks that ``hl=1`` puts around what matched."""
    value = row.get(name)
    return html.unescape(_MARKS.sub("", value)) if isinstance(value, str) else ""

"""Finding a registered symbol by what somebody typed."""

from __future__ import annotations

import difflib

from symbols.models import Symbol


def matching_symbols(text: str, limit: int) -> list[Symbol]:
    """Symbols whose ticker, code or name holds ``text``: exact tickers first, then beginnings, then the rest.

    ``BTC/USD`` finds ``DEMO:BTCUSD``. Empty text gives the first symbols.
    """
    plain = text.replace("/", "") or text
    found = Symbol.objects.active().matching(text)
    if plain != text:
        found = found | Symbol.objects.active().matching(plain)
    wanted = plain.upper()

    def rank(symbol: Symbol) -> tuple[bool, bool, str]:
        ticker = symbol.ticker.upper()
        return ticker != wanted, not ticker.startswith(wanted), symbol.code

    return sorted(found.distinct(), key=rank)[:limit]


def near_symbols(code: str, limit: int = 4) -> list[Symbol]:
    """Registered symbols that look like ``code``: the same ticker elsewhere, or nearly the same letters."""
    known = {symbol.code: symbol for symbol in Symbol.objects.active()}
    ticker = code.rpartition(":")[2]
    same = [name for name in known if ticker and name.endswith(f":{ticker}")]
    close = difflib.get_close_matches(code, known, n=limit, cutoff=0.6)
    close_tickers = [
        name
        for near in difflib.get_close_matches(ticker, {name.rpartition(":")[2] for name in known}, n=limit, cutoff=0.6)
        for name in known
        if name.endswith(f":{near}")
    ]
    return [known[name] for name in dict.fromkeys([*same, *close, *close_tickers])][:limit]

"""Which calendar a symbol of theirs trades by.

What the symbol says of itself comes first (24x7, forex), then our table of venues as TradingView spells them, then
its zone and hours. A calendar is never guessed: bars under a wrong one would be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.errors import UnknownCalendar

_NEW_YORK = ("NASDAQ", "NYSE", "AMEX", "ARCA", "BATS", "CBOE", "OTC", "SP", "DJ", "SPCFD", "DJCFD", "NYSEARCA")
_CHICAGO = ("CME", "CME_MINI", "CBOT", "CBOT_MINI", "COMEX", "COMEX_MINI", "NYMEX", "NYMEX_MINI", "CME_MINI_DL")
_BY_VENUE = {
    **dict.fromkeys(_NEW_YORK, "XNYS"),
    **dict.fromkeys(_CHICAGO, "CMES"),
    "TSX": "XTSE", "TSXV": "XTSE", "BMFBOVESPA": "BVMF", "BMV": "XMEX",
    "LSE": "XLON", "LSIN": "XLON", "XETR": "XETR", "FWB": "XFRA", "SIX": "XSWX", "MIL": "XMIL", "BME": "XMAD",
    "OMXSTO": "XSTO", "OMXCOP": "XCSE", "OMXHEX": "XHEL", "OSL": "XOSL", "GPW": "XWAR", "VIE": "XWBO",
    "BIST": "XIST", "TASE": "XTAE", "JSE": "XJSE", "TADAWUL": "XSAU",
    "TSE": "XTKS", "HKEX": "XHKG", "SSE": "XSHG", "SZSE": "XSHG", "KRX": "XKRX", "TWSE": "XTAI",
    "NSE": "XBOM", "BSE": "XBOM", "SGX": "XSES", "MYX": "XKLS", "IDX": "XIDX", "SET": "XBKK", "PSE": "XPHS",
    "ASX": "XASX", "NZX": "XNZE",
}  # fmt: skip
_BY_HOURS = {
    ("America/New_York", "0930-1600"): "XNYS",
    ("America/New_York", "1700-1700"): "forex",
    ("America/New_York", "1800-1700"): "CMES",
    ("America/Chicago", "1700-1600"): "CMES",
    ("America/Toronto", "0930-1600"): "XTSE",
    ("Europe/London", "0800-1630"): "XLON",
    ("Europe/Lisbon", "0800-1630"): "XLIS",
    ("Europe/Dublin", "0800-1628"): "XDUB",
    ("Europe/Paris", "0900-1730"): "XPAR",
    ("Europe/Amsterdam", "0900-1730"): "XAMS",
    ("Europe/Brussels", "0900-1730"): "XBRU",
    ("Europe/Berlin", "0900-1730"): "XETR",
    ("Europe/Madrid", "0900-1730"): "XMAD",
    ("Europe/Rome", "0900-1730"): "XMIL",
    ("Europe/Zurich", "0900-1730"): "XSWX",
    ("Europe/Stockholm", "0900-1730"): "XSTO",
    ("Asia/Tokyo", "0900-1130,1230-1530"): "XTKS",
    ("Asia/Hong_Kong", "0930-1200,1300-1600"): "XHKG",
    ("Asia/Shanghai", "0930-1130,1300-1500"): "XSHG",
    ("Asia/Seoul", "0900-1530"): "XKRX",
    ("Asia/Taipei", "0900-1330"): "XTAI",
    ("Asia/Kolkata", "0915-1530"): "XBOM",
    ("Australia/Sydney", "1000-1600"): "XASX",
}


def calendar_of(symbol: str, info: Mapping[str, object]) -> str:
    """A name for ``get_calendar``, from the details in ``symbol_resolved``. Raises UnknownCalendar."""
    session, timezone = _hours(_text(info, "session")), _text(info, "timezone")
    if session == "24x7":
        return "24/7"
    if _text(info, "type") == "forex":
        return "forex"
    for venue in (symbol.partition(":")[0], _text(info, "listed_exchange")):
        if venue in _BY_VENUE:
            return _BY_VENUE[venue]
    calendar = _BY_HOURS.get((timezone, session))
    if calendar is None:
        raise UnknownCalendar(f"{symbol}: no calendar is known that trades {session or '?'} in {timezone or '?'}")
    return calendar


def _hours(session: str) -> str:
    """``0930-1600`` of ``0930-1600:23456``; several weeks' parts are told apart by ``|``, and the first counts."""
    parts = session.partition("|")[0].split(",")
    return ",".join(part.partition(":")[0] for part in parts)


def _text(info: Mapping[str, object], name: str) -> str:
    value = info.get(name)
    return value if isinstance(value, str) else ""

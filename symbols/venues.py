"""Venues we know by name, so that a symbol can be registered while no provider answers.

A venue that is not in the table gets its calendar from the provider when the symbol is resolved.
"""

from __future__ import annotations

from typing import NamedTuple


class Venue(NamedTuple):
    """``calendar`` is a name that ``domain.calendars.get_calendar`` knows; ``mic`` is the ISO 10383 code, if any."""

    name: str
    mic: str
    calendar: str
    timezone: str


def _round_the_clock(name: str) -> Venue:
    return Venue(name, "", "24/7", "UTC")


def _forex(name: str) -> Venue:
    return Venue(name, "", "forex", "America/New_York")


_NEW_YORK = "America/New_York"
_CHICAGO = "America/Chicago"

VENUES: dict[str, Venue] = {
    "DEMO": _round_the_clock("Demo market"),  # its symbols name their own calendars
    "NASDAQ": Venue("Nasdaq", "XNAS", "XNYS", _NEW_YORK),
    "NYSE": Venue("New York Stock Exchange", "XNYS", "XNYS", _NEW_YORK),
    "AMEX": Venue("NYSE Arca and American", "XASE", "XNYS", _NEW_YORK),
    "CBOE": Venue("Cboe", "XCBO", "XNYS", _NEW_YORK),
    "TSX": Venue("Toronto Stock Exchange", "XTSE", "XTSE", "America/Toronto"),
    "BMFBOVESPA": Venue("B3", "BVMF", "BVMF", "America/Sao_Paulo"),
    "LSE": Venue("London Stock Exchange", "XLON", "XLON", "Europe/London"),
    "XETR": Venue("Xetra", "XETR", "XETR", "Europe/Berlin"),
    "FWB": Venue("Frankfurt Stock Exchange", "XFRA", "XFRA", "Europe/Berlin"),
    "SIX": Venue("SIX Swiss Exchange", "XSWX", "XSWX", "Europe/Zurich"),
    "MIL": Venue("Borsa Italiana", "XMIL", "XMIL", "Europe/Rome"),
    "BME": Venue("Bolsa de Madrid", "XMAD", "XMAD", "Europe/Madrid"),
    "OMXSTO": Venue("Nasdaq Stockholm", "XSTO", "XSTO", "Europe/Stockholm"),
    "OMXCOP": Venue("Nasdaq Copenhagen", "XCSE", "XCSE", "Europe/Copenhagen"),
    "OMXHEX": Venue("Nasdaq Helsinki", "XHEL", "XHEL", "Europe/Helsinki"),
    "OSL": Venue("Oslo Børs", "XOSL", "XOSL", "Europe/Oslo"),
    "GPW": Venue("Warsaw Stock Exchange", "XWAR", "XWAR", "Europe/Warsaw"),
    "TSE": Venue("Tokyo Stock Exchange", "XTKS", "XTKS", "Asia/Tokyo"),
    "HKEX": Venue("Hong Kong Exchanges", "XHKG", "XHKG", "Asia/Hong_Kong"),
    "SSE": Venue("Shanghai Stock Exchange", "XSHG", "XSHG", "Asia/Shanghai"),
    "SZSE": Venue("Shenzhen Stock Exchange", "XSHE", "XSHG", "Asia/Shanghai"),
    "KRX": Venue("Korea Exchange", "XKRX", "XKRX", "Asia/Seoul"),
    "TWSE": Venue("Taiwan Stock Exchange", "XTAI", "XTAI", "Asia/Taipei"),
    "NSE": Venue("National Stock Exchange of India", "XNSE", "XBOM", "Asia/Kolkata"),
    "BSE": Venue("BSE", "XBOM", "XBOM", "Asia/Kolkata"),
    "SGX": Venue("Singapore Exchange", "XSES", "XSES", "Asia/Singapore"),
    "TADAWUL": Venue("Saudi Exchange", "XSAU", "XSAU", "Asia/Riyadh"),
    "ASX": Venue("Australian Securities Exchange", "XASX", "XASX", "Australia/Sydney"),
    "NZX": Venue("New Zealand Exchange", "XNZE", "XNZE", "Pacific/Auckland"),
    "JSE": Venue("Johannesburg Stock Exchange", "XJSE", "XJSE", "Africa/Johannesburg"),
    "CME": Venue("Chicago Mercantile Exchange", "XCME", "CMES", _CHICAGO),
    "CME_MINI": Venue("CME Globex, mini contracts", "XCME", "CMES", _CHICAGO),
    "CBOT": Venue("Chicago Board of Trade", "XCBT", "CMES", _CHICAGO),
    "COMEX": Venue("COMEX", "XCEC", "CMES", _NEW_YORK),
    "NYMEX": Venue("NYMEX", "XNYM", "CMES", _NEW_YORK),
    "FX": _forex("FXCM, as FX"),
    "FX_IDC": _forex("ICE Data forex"),
    "FXCM": _forex("FXCM"),
    "OANDA": _forex("OANDA"),
    "FOREXCOM": _forex("FOREX.com"),
    "SAXO": _forex("Saxo"),
    "BINANCE": _round_the_clock("Binance"),
    "BINANCEUS": _round_the_clock("Binance US"),
    "BITFINEX": _round_the_clock("Bitfinex"),
    "BITGET": _round_the_clock("Bitget"),
    "BITSTAMP": _round_the_clock("Bitstamp"),
    "BYBIT": _round_the_clock("Bybit"),
    "COINBASE": _round_the_clock("Coinbase"),
    "CRYPTO": _round_the_clock("Crypto.com"),
    "CRYPTOCAP": _round_the_clock("Market capitalisation of crypto"),
    "DERIBIT": _round_the_clock("Deribit"),
    "GATEIO": _round_the_clock("Gate.io"),
    "GEMINI": _round_the_clock("Gemini"),
    "HTX": _round_the_clock("HTX"),
    "KRAKEN": _round_the_clock("Kraken"),
    "KUCOIN": _round_the_clock("KuCoin"),
    "MEXC": _round_the_clock("MEXC"),
    "OKX": _round_the_clock("OKX"),
}

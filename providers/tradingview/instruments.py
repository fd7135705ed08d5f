"""A symbol's details in ``symbol_resolved`` as an Instrument of ours."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from domain.instrument import Instrument
from providers.tradingview.messages import delay_of
from providers.tradingview.venues import calendar_of

_MOST_DECIMALS = 16


def instrument_of(symbol: str, info: Mapping[str, object], *, provider: str) -> Instrument:
    """What ``info`` says of ``symbol``, which names it as it was asked: ``full_name`` may be a delayed feed's.

    Raises UnknownCalendar.
    """
    tick = _tick_size(info)
    return Instrument(
        symbol=symbol,
        name=_text(info, "description") or _text(info, "short_description"),
        type=_text(info, "type"),
        provider=provider,
        provider_code=symbol,
        calendar=calendar_of(symbol, info),
        base_currency=_currency(info, "base_currency"),
        quote_currency=_currency(info, "currency"),
        price_decimals=_decimals(tick, info),
        tick_size=float(tick),
        has_volume=_text(info, "visible_plots_set") not in ("ohlc", "c"),
        delay_seconds=_delay(info),
    )


def _tick_size(info: Mapping[str, object]) -> Decimal:
    """``minmov / pricescale``: 1/100 for a share in dollars, 25/100 for an index future."""
    scale, step = _whole(info, "pricescale", 100), _whole(info, "minmov", 1)
    return Decimal(step) / Decimal(scale)


def _decimals(tick: Decimal, info: Mapping[str, object]) -> int:
    """Decimals that prices need: those of ``1 / pricescale`` where that is a power of ten, else of the tick."""
    digits = str(_whole(info, "pricescale", 100))
    if digits.strip("0") == "1":
        return len(digits) - 1
    exponent = tick.normalize().as_tuple().exponent
    return min(-exponent, _MOST_DECIMALS) if isinstance(exponent, int) and exponent < 0 else 0


def _delay(info: Mapping[str, object]) -> int:
    delay = info.get("delay")
    if isinstance(delay, int | float) and not isinstance(delay, bool) and 0 <= delay <= 86_400:
        return int(delay)
    return delay_of(_text(info, "update_mode"))


def _currency(info: Mapping[str, object], kind: str) -> str:
    """A currency's code; ids of coins carry a prefix: ``XTVCBTC``."""
    for name in (f"{kind}_code", kind, f"{kind}_id"):
        if text := _text(info, name):
            return text.removeprefix("XTVC")
    return ""


def _whole(info: Mapping[str, object], name: str, default: int) -> int:
    value = info.get(name)
    return int(value) if isinstance(value, int | float) and 1 <= value <= 10**15 else default


def _text(info: Mapping[str, object], name: str) -> str:
    value = info.get(name)
    return value if isinstance(value, str) else ""

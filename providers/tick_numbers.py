"""The numbers of a recording: written as decimals, read without a loss. Sizes stay exact, prices become doubles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)

_MOST_DIGITS = 40  # of a size: before the point, and after it
_MOST_PRICE = 1e100  # which feeds send for "no value"
_SURE_DIGITS = 15  # decimals this short are told apart by doubles, each of which reads back as what it was
_EXACT = Context(prec=5_000, rounding=ROUND_HALF_EVEN)  # a line is shorter, and the least double is 5e-324
_HALF = Decimal("0.5")


def to_prices(texts: Sequence[str]) -> NDArray[np.float64]:
    """Doubles, of either sign or zero. Raises ValueError for what is no price, or so near to zero that it were lost."""
    prices = np.array(list(map(float, texts)), dtype=np.float64) + 0.0  # no negative zero, which equals zero
    if not bool((np.abs(prices) < _MOST_PRICE).all()):  # false for NaN too
        raise ValueError("a price that is not a finite number")
    for index in np.flatnonzero(prices == 0).tolist():
        if set("123456789") & set(texts[index].lower().partition("e")[0]):
            raise ValueError(f"too near to zero: {texts[index][:40]!r}")
    return prices


def to_middles(bids: Sequence[str], asks: Sequence[str]) -> NDArray[np.float64]:
    """The doubles nearest to ``(bid + ask) / 2`` of the decimals as written: 1.1 and 1.3 make 1.2, without dust."""
    sides = to_prices(bids), to_prices(asks)
    if max(map(len, bids)) <= _SURE_DIGITS + 1 and max(map(len, asks)) <= _SURE_DIGITS + 1:
        first = bids[0].strip().partition(".")[2]
        for decimals in range(min(len(first), _SURE_DIGITS), _SURE_DIGITS + 1):
            whole = [_whole(side, 10.0**decimals) for side in sides]
            if whole[0] is not None and whole[1] is not None:
                # Sum and divisor are whole numbers below 2**53, and a quotient of such is rounded once.
                return np.asarray((whole[0] + whole[1]) / (2 * 10.0**decimals) + 0.0)
    pairs = zip(*(_decimals(texts, side) for texts, side in zip((bids, asks), sides, strict=True)), strict=True)
    exact = [_EXACT.multiply(_EXACT.add(bid, ask), _HALF) for bid, ask in pairs]
    return np.array(list(map(float, exact)), dtype=np.float64) + 0.0


def _decimals(texts: Sequence[str], prices: NDArray[np.float64]) -> list[Decimal]:
    """As written; a zero may have an exponent that is beyond any Decimal."""
    return [Decimal(text) if price else Decimal() for text, price in zip(texts, prices.tolist(), strict=True)]


def _whole(prices: NDArray[np.float64], scale: float) -> NDArray[np.float64] | None:
    """``prices * scale`` as whole numbers, if that is what they are and they have at most 15 digits."""
    whole = np.rint(prices * scale)
    is_exact = bool((np.abs(whole) < 10.0**_SURE_DIGITS).all()) and bool((whole / scale == prices).all())
    return whole if is_exact else None


def to_lots(texts: Sequence[str], least_decimals: int) -> tuple[NDArray[Any], int]:
    """Sizes as whole steps of ``10 ** -decimals``, and these decimals: ``least_decimals``, or more if one needs them.

    Each distinct text is read once: few sizes make up most trades. Raises ValueError or ArithmeticError.
    """
    parsed = {text: to_size(text) for text in set(texts)}
    most = max(least_decimals, max(decimals for _, decimals in parsed.values()))
    table = {text: digits * 10 ** (most - decimals) for text, (digits, decimals) in parsed.items()}
    lots = [table[text] for text in texts]
    return np.array(lots, dtype=np.int64 if max(table.values()) < 2**62 else object), most


def to_size(text: str) -> tuple[int, int]:
    """A size as an integer and the number of its decimals. Raises ValueError or ArithmeticError if it is none."""
    value = Decimal(text)
    if not value.is_finite() or value < 0:
        raise ValueError(f"not a size: {text[:40]!r}")
    if not value:
        return 0, 0  # whatever its exponent, which may be a billion
    if value.adjusted() > _MOST_DIGITS:
        raise ValueError(f"more than {_MOST_DIGITS} digits: {text[:40]!r}")
    _, digits, exponent = value.as_tuple()  # no arithmetic on Decimals here: it would round to 28 digits
    number, decimals = int("".join(map(str, digits))), -int(exponent)
    while decimals > 0 and number % 10 == 0:
        number, decimals = number // 10, decimals - 1
    if decimals > _MOST_DIGITS:
        raise ValueError(f"more than {_MOST_DIGITS} decimals: {text[:40]!r}")
    return (number, decimals) if decimals > 0 else (number * 10**-decimals, 0)

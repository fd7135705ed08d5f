"""A split is told from corrections by one factor that all bars share."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.splits import Adjustment, Prices, factor_at, find_factor


def bars(count: int, seed: int = 1, price: float = 640.0) -> list[Prices]:
    chance = random.Random(seed)
    return [
        (round(price * low, 2), round(price * high, 2), round(price * low * 0.99, 2), round(price * high * 0.999, 2))
        for low, high in ((chance.uniform(0.9, 1), chance.uniform(1, 1.1)) for _ in range(count))
    ]


def after(stored: list[Prices], factor: float, decimals: int = 2) -> list[tuple[Prices, Prices]]:
    return [(old, tuple(round(price * factor, decimals) for price in old)) for old in stored]  # type: ignore[misc]  # four


@pytest.mark.parametrize("factor", [1 / 7, 1 / 2, 1 / 4, 1 / 20, 3 / 2, 2 / 3, 10.0, 1 / 1.5])
def test_a_split_is_found_through_rounded_prices(factor: float) -> None:
    assert find_factor(after(bars(200), factor)) == pytest.approx(factor, rel=1e-12)


def test_three_bars_are_enough_for_a_plain_factor() -> None:
    assert find_factor(after(bars(3), 1 / 2)) == 0.5
    assert find_factor(after(bars(2), 1 / 2)) is None


def test_an_odd_factor_needs_more_bars() -> None:
    assert find_factor(after(bars(100), 0.9137, 4)) == pytest.approx(0.9137, rel=1e-4)
    assert find_factor(after(bars(10), 0.9137, 4)) is None


def test_corrections_are_no_split() -> None:
    stored = bars(100)
    corrected = [(old, new) for old, new in zip(stored, bars(100, seed=2), strict=True)]
    assert find_factor(corrected) is None
    same = [(old, old) for old in stored]
    assert find_factor(same) is None
    assert find_factor(same[:80] + after(stored[80:], 1 / 2)) is None  # the older ones did not change


def test_bars_since_the_split_are_the_same_in_both_versions() -> None:
    stored = bars(100)
    assert find_factor(after(stored[:20], 1 / 2) + [(old, old) for old in stored[20:]]) == 0.5


def test_a_dividend_of_a_few_tenths_of_a_percent_is_no_split() -> None:
    assert find_factor(after(bars(100), 0.997, 4)) is None


def test_prices_that_cross_zero_have_no_factor() -> None:
    assert find_factor([((1.0, 1.0, -1.0, 1.0), (0.5, 0.5, -0.5, 0.5))] * 10) is None


def test_older_bars_gather_the_factors_of_all_later_splits() -> None:
    splits = [Adjustment(before=100, factor=1 / 7), Adjustment(before=200, factor=1 / 4)]
    assert factor_at(splits, 50) == pytest.approx(1 / 28)
    assert factor_at(splits, 100) == 1 / 4
    assert factor_at(splits, 200) == 1.0


@given(st.lists(st.tuples(*[st.floats(0.01, 1e6)] * 8), max_size=40))
def test_whatever_it_is_given_it_answers(values: list[tuple[float, ...]]) -> None:
    found = find_factor([(pair[:4], pair[4:]) for pair in values])  # type: ignore[misc]  # four and four
    assert found is None or found > 0

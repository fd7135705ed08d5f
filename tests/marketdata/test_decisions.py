"""What becomes of a stored bar when another version of it arrives."""

from __future__ import annotations

import pytest

from domain.bar import BarSource, BarState
from marketdata.decisions import Verdict, decide
from marketdata.documents import Row, decode, encode, key, open_time
from tests.marketdata.builders import BITCOIN, bar, streamed

STEP = 1 / BITCOIN.lots_per_unit


def stored(version) -> Row:
    """``version`` as the store gives it back."""
    return decode(encode(key(7, version.interval, int(version.open_time.timestamp())), version, 0))


def verdict(old, new, *, is_settled=True):
    return decide(stored(old), new, is_settled=is_settled, volume_step=STEP).verdict


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (streamed(), bar(), Verdict.CONFIRM),
        (streamed(), bar(volume=10.0 + STEP), Verdict.CONFIRM),
        (streamed(volume=1e9), bar(volume=1e9 + 0.5), Verdict.CONFIRM),  # 5e-10 of itself
        (streamed(volume=1e9), bar(volume=1e9 + 2), Verdict.REVISE),
        (streamed(volume=100.0), bar(volume=100.0 + 3 * STEP), Verdict.CONFIRM),  # 3e-10 of itself
        (streamed(volume=0.01), bar(volume=0.01 + 3 * STEP), Verdict.REVISE),
        (streamed(), bar(high=200.0), Verdict.REVISE),
        (bar(), bar(), Verdict.KEEP),
        (bar(), bar(volume=10.0 + STEP), Verdict.KEEP),
        (bar(), bar(trades=9), Verdict.REPLACE),
        (bar(trades=9), bar(), Verdict.KEEP),
        (bar(), streamed(high=200.0), Verdict.KEEP),
        (bar(), bar(high=200.0, source=BarSource.IMPORT), Verdict.KEEP),
        (bar(source=BarSource.IMPORT), bar(high=200.0), Verdict.REVISE),
        (bar(source=BarSource.IMPORT), bar(high=200.0, source=BarSource.ROLLUP, partial=True), Verdict.KEEP),
        (bar(source=BarSource.ROLLUP, partial=True), bar(high=200.0, source=BarSource.ROLLUP), Verdict.REVISE),
        (streamed(), bar(high=200.0, source=BarSource.ROLLUP, partial=True), Verdict.REVISE),
        (streamed(), streamed(high=200.0, partial=True), Verdict.KEEP),
        (streamed(partial=True), streamed(), Verdict.REPLACE),
        (streamed(partial=True), streamed(high=200.0), Verdict.REVISE),
    ],
)
def test_history_is_the_authority_and_the_weaker_never_replaces(old, new, expected):
    assert verdict(old, new) == expected


def test_a_bar_that_may_still_be_amended_changes_without_a_revision():
    assert verdict(streamed(), streamed(high=200.0), is_settled=False) == Verdict.REPLACE
    assert verdict(bar(), bar(high=200.0), is_settled=False) == Verdict.REVISE


def test_a_confirmed_bar_keeps_the_trades_that_we_counted_and_takes_historys_volume():
    decision = decide(stored(streamed(trades=42)), bar(volume=10.0 + STEP), is_settled=True, volume_step=STEP)
    assert (decision.bar.trades, decision.bar.volume, decision.bar.state) == (42, 10.0 + STEP, BarState.FINAL)


@pytest.mark.parametrize("moment", [-(2**40), -60, 0, 60, 2**40])
def test_keys_sort_as_their_times_do_and_tell_them(moment):
    interval = bar().interval
    document = encode(key(7, interval, moment), bar(), 0)
    assert open_time(document) == moment
    assert (
        key(7, interval, moment - 60) < key(7, interval, moment) < key(7, interval, moment + 60) < key(8, interval, 0)
    )

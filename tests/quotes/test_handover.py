"""What one run of the streamer leaves to the next, and that nothing of it comes back a second time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.bar import Bar
from domain.instrument import Instrument
from providers.base import Baseline
from quotes import checkpoint
from quotes.checkpoint import Checkpoint
from quotes.handover import Handover
from tests.quotes.live import BTC, a_bar

INSTRUMENT = Instrument(symbol=BTC, id=1)
FOLD = {"version": 1, "symbols": {}}
BASELINE = Baseline(symbol=BTC, lots=12_345, lots_per_unit=10**8, second=990.0, count=7)


class NextRun:
    """A run that takes over; ``fold`` and ``put`` are what it was given."""

    def __init__(self, path: Path, now: float = 1_060.0) -> None:
        self.handover = Handover(path, clock=lambda: now)
        self.folds: list[dict[str, Any]] = []
        self.put: list[Bar] = []
        self.handover.give_fold(self.folds.append)

    def follow(self, *instruments: Instrument) -> None:
        self.handover.give_unsaved({one.symbol: one for one in instruments}, lambda _, bar: self.put.append(bar))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A checkpoint with a fold, a baseline and two unsaved bars."""
    path = tmp_path / "streamer" / "checkpoint.json"
    checkpoint.write(path, TestCheckpoint.STATE)
    return path


def test_the_next_run_is_given_everything_once(path: Path) -> None:
    run = NextRun(path)
    run.follow(INSTRUMENT)
    run.follow(INSTRUMENT)
    assert run.handover.last_epoch == 7
    assert run.folds == [FOLD]
    assert run.put == [a_bar(0), a_bar(1)]
    assert run.handover.give_baselines("demo") == [BASELINE]
    assert run.handover.give_baselines("demo") == run.handover.give_baselines("tradingview") == []


def test_what_was_forming_does_not_come_back_after_a_crash_of_the_next_run(path: Path) -> None:
    NextRun(path)
    crashed = NextRun(path, now=1_070.0)
    assert crashed.folds == []
    assert crashed.handover.give_baselines("demo") == []
    assert crashed.handover.last_epoch == 7


def test_unsaved_bars_come_back_until_the_store_has_them(path: Path) -> None:
    run = NextRun(path)
    run.follow(INSTRUMENT)
    run.handover.acknowledged([a_bar(1)])
    again = NextRun(path)
    again.follow(INSTRUMENT)
    assert again.put == [a_bar(0), a_bar(1)]
    again.handover.acknowledged([a_bar(0), a_bar(1), a_bar(2)])
    last = NextRun(path)
    last.follow(INSTRUMENT)
    assert last.put == []


def test_bars_of_a_symbol_that_is_not_followed_yet_wait_for_it(path: Path) -> None:
    run = NextRun(path)
    run.follow(Instrument(symbol="DEMO:ETHUSD", id=2))
    run.handover.leave(epoch=8, fold=FOLD, baselines={}, bars=[a_bar(2)])
    later = NextRun(path)
    later.follow(INSTRUMENT)
    assert later.put == [a_bar(2), a_bar(0), a_bar(1)]


def test_baselines_that_nobody_asked_for_are_passed_on(path: Path) -> None:
    run = NextRun(path)
    own = [replace(BASELINE, symbol="NASDAQ:AAPL")]
    run.handover.leave(epoch=8, fold=FOLD, baselines={"tradingview": own}, bars=[])
    later = NextRun(path).handover
    assert (later.give_baselines("demo"), later.give_baselines("tradingview")) == ([BASELINE], own)


def test_a_disk_that_takes_nothing_stops_neither_a_start_nor_a_stop(tmp_path: Path) -> None:
    (tmp_path / "streamer").write_text("a file where the folder should be")
    handover = Handover(tmp_path / "one.json", clock=lambda: 1.0)
    handover._path = tmp_path / "streamer" / "checkpoint.json"
    handover.leave(epoch=1, fold=FOLD, baselines={}, bars=[a_bar(0)])
    assert checkpoint.read(tmp_path / "one.json", 1.0) is None


class TestCheckpoint:
    STATE = Checkpoint(saved_at=1_000.0, epoch=7, fold=FOLD, baselines={"demo": [BASELINE]},
                       unsaved=[a_bar(0), a_bar(1)])  # fmt: skip

    def test_it_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        path = tmp_path / "streamer" / "checkpoint.json"
        checkpoint.write(path, self.STATE)
        assert checkpoint.read(path, 1_060.0) == self.STATE
        assert [one.name for one in path.parent.iterdir()] == ["checkpoint.json"]

    def test_an_old_one_keeps_its_unsaved_bars_but_not_what_was_forming(self, tmp_path: Path) -> None:
        checkpoint.write(tmp_path / "one.json", self.STATE)
        found = checkpoint.read(tmp_path / "one.json", 1_000.0 + 3_600)
        assert found == replace(self.STATE, fold=None, baselines={})

    def test_one_of_the_first_version_had_no_baselines(self, tmp_path: Path) -> None:
        path = tmp_path / "one.json"
        checkpoint.write(path, self.STATE)
        body = json.loads(path.read_bytes())
        del body["baselines"]
        path.write_text(json.dumps({**body, "version": 1}))
        assert checkpoint.read(path, 1_060.0) == replace(self.STATE, baselines={})

    def test_none_is_the_start_after_a_crash(self, tmp_path: Path) -> None:
        assert checkpoint.read(tmp_path / "none.json", 0.0) is None

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version":99}', b'{"version":1}'])
    def test_one_that_cannot_be_read_is_set_aside(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "one.json"
        path.write_bytes(content)
        assert checkpoint.read(path, 0.0) is None
        assert path.with_suffix(".unreadable").read_bytes() == content

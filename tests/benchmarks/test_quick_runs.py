"""Each benchmark of ours still runs to its end on a small sample; how fast it is belongs to `make bench`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.untraced


@pytest.mark.parametrize("name", ["wire", "store", "sync", "coverage", "arrays", "api", "fanout"])
def test_a_quick_run_ends_well_and_prints_its_ratios(name, tmp_path):
    env = os.environ | {"POCKETQUANT_VAR": str(tmp_path)}
    command = [sys.executable, "-m", f"benchmarks.{name}", "--quick"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    assert "goal" in done.stdout


def test_an_unknown_benchmark_is_named():
    command = [sys.executable, "-m", "benchmarks", "folds"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "no benchmark called folds; there are fold, wire, store, sync, coverage, arrays, api, fanout" in done.stderr

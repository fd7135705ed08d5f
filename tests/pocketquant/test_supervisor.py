"""The supervisor keeps its parts running and ends them in order: tried with real processes that do little."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.pocketquant.processes import Running, child_of_supervisor, is_alive, until, with_environment

ROOT = Path(__file__).parents[2]
READY = "import pathlib, signal, sys, time; pathlib.Path(sys.argv[1]).touch()\n"
SERVE = READY + "signal.sigwait([signal.SIGTERM])"
# Ends a while after it was told to and says so in a file that tells the order.
SLOW = (
    "import os, pathlib, signal, sys, time\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); pathlib.Path(sys.argv[1]).touch()\n"
    "signal.sigwait([signal.SIGTERM]); time.sleep(0.3)\n"
    "path = pathlib.Path(sys.argv[1]); open(path.with_name('ended'), 'a').write(path.name + ' ')\n"
)
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY + "signal.pause()\nwhile 1: signal.pause()"
)


@pytest.fixture
def supervise(tmp_path):
    runs = []

    def start(*parts, **timing):
        description = json.dumps({"parts": parts, **timing})
        run = Running(
            [sys.executable, "-m", "tests.pocketquant.toys", str(tmp_path), description],
            cwd=ROOT,
            env=os.environ | {"TOYS": str(tmp_path)},
        )
        runs.append(run)
        return run

    yield start
    for run in runs:
        run.end()
    assert not with_environment("TOYS", tmp_path)


def pid_of(tmp_path, name):
    return child_of_supervisor(tmp_path, str(tmp_path / name))


def test_it_ends_with_zero_on_each_of_the_signals(supervise):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        run = supervise({"name": "web", "code": SERVE})
        run.wait_for("all are ready")
        run.signal(number)
        assert run.wait() == 0


def test_parts_end_after_those_they_outlive(supervise, tmp_path):
    run = supervise(
        {"name": "store", "code": SLOW, "outlives": ["web", "streamer"]},
        {"name": "web", "code": SLOW, "outlives": ["streamer"]},
        {"name": "streamer", "code": SLOW},
    )
    run.wait_for("all are ready")
    run.signal(signal.SIGTERM)
    assert run.wait() == 0
    assert (tmp_path / "ended").read_text().split() == ["streamer", "web", "store"]


def test_a_killed_part_is_started_again_and_it_is_said(supervise, tmp_path):
    run = supervise({"name": "web", "code": SERVE}, {"name": "streamer", "code": SERVE})
    run.wait_for("all are ready")
    first = pid_of(tmp_path, "web")
    os.kill(first, signal.SIGKILL)
    run.wait_for("web was killed by signal 9")
    run.wait_for("web is back")
    assert pid_of(tmp_path, "web") not in (None, first)
    run.signal(signal.SIGTERM)
    assert run.wait() == 0


def test_a_part_that_keeps_dying_ends_all_with_its_last_words(supervise):
    dying = {"name": "streamer", "code": "print('no such feed'); raise SystemExit(3)"}
    run = supervise(dying, {"name": "web", "code": SERVE}, first_delay=0.05)
    assert run.wait(60) == 1
    assert run.text.count("starting it again") == 5
    assert "again in 0.05 s" in run.text
    assert "again in 0.4 s" in run.text
    assert "streamer ended with code 3" in run.text
    assert "    no such feed" in run.text


# Lives until a file appears, then dies at once however often it is started.
DOOMED = (
    READY
    + "end = pathlib.Path(sys.argv[1]).with_name('doom')\nwhile not end.exists(): time.sleep(0.02)\nsys.exit('doomed')"
)


def test_later_the_rest_goes_on_without_a_part_that_keeps_dying(supervise, tmp_path):
    run = supervise({"name": "streamer", "code": DOOMED}, {"name": "web", "code": SERVE}, first_delay=0.02)
    run.wait_for("all are ready")
    (tmp_path / "doom").touch()
    run.wait_for("the rest goes on without it")
    assert "    doomed" in run.text
    assert is_alive(pid_of(tmp_path, "web"))
    (tmp_path / "doom").unlink()
    run.wait_for("streamer is back")
    run.signal(signal.SIGTERM)
    assert run.wait() == 0


def test_later_a_vital_part_that_keeps_dying_ends_all(supervise, tmp_path):
    vital = {"name": "web", "code": DOOMED, "is_vital": True}
    run = supervise(vital, {"name": "streamer", "code": SERVE}, first_delay=0.02)
    run.wait_for("all are ready")
    (tmp_path / "doom").touch()
    assert run.wait() == 1
    assert "web ended with code 1" in run.text


def test_a_step_that_fails_ends_all_at_once(supervise):
    run = supervise({"name": "prepare", "code": "raise SystemExit('bad schema')", "runs_once": True})
    assert run.wait() == 1
    assert "bad schema" in run.text
    assert "starting it again" not in run.text


def test_a_step_that_is_done_stays_done(supervise):
    run = supervise({"name": "prepare", "code": "", "runs_once": True}, {"name": "web", "code": SERVE})
    run.wait_for("prepare is done")
    run.wait_for("all are ready")
    run.signal(signal.SIGTERM)
    assert run.wait() == 0


def test_a_part_that_does_not_end_is_killed_in_time(supervise):
    run = supervise({"name": "stubborn", "code": STUBBORN}, stop_seconds=0.5)
    run.wait_for("all are ready")
    run.signal(signal.SIGTERM)
    assert run.wait(10) == 0
    assert "stubborn did not end in time and was killed" in run.text


def test_a_second_signal_hurries(supervise):
    run = supervise({"name": "stubborn", "code": STUBBORN})
    run.wait_for("all are ready")
    run.signal(signal.SIGINT)
    run.wait_for("Stopping")
    run.signal(signal.SIGINT)
    run.wait_for("Waiting for stubborn")
    assert run.wait(8) == 0


def test_children_of_a_killed_part_do_not_live_on(supervise, tmp_path):
    forks = "import os\nif os.fork() == 0:\n    import signal\n    while 1: signal.pause()\n" + SERVE
    run = supervise({"name": "worker", "code": forks})
    run.wait_for("all are ready")
    before = set(with_environment("TOYS", tmp_path))
    os.kill(pid_of(tmp_path, "worker"), signal.SIGKILL)
    run.wait_for("worker is back")
    survivors = before & set(with_environment("TOYS", tmp_path))
    assert survivors == {run.process.pid}


def test_nothing_outlives_a_killed_supervisor(supervise, tmp_path):
    run = supervise({"name": "web", "code": SERVE}, {"name": "store", "code": SERVE, "outlives": ["web"]})
    run.wait_for("all are ready")
    children = [int(pid) for pid in json.loads((tmp_path / "up.json").read_text())["children"]]
    assert len(children) == 2
    os.kill(run.process.pid, signal.SIGKILL)
    until(lambda: not any(map(is_alive, children)), 10, "the children end")


def test_a_signal_in_the_middle_of_a_start_ends_it_too(supervise):
    run = supervise({"name": "slow", "code": "import time; time.sleep(60)"}, {"name": "web", "code": SERVE})
    run.wait_for("web")
    run.signal(signal.SIGTERM)
    assert run.wait(10) == 0

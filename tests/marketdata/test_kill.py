"""What was acknowledged outlives the death of the writer and of the database, and a batch is never half there, nor its bitmaps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from domain.interval import Interval
from marketdata.ledger import CoverageLedger
from marketdata.mongo import connect
from marketdata.repository import BarRepository
from pocketquant.embedded.mongod import Mongod
from pocketquant.embedded.sockets import wait_until_ready
from tests.marketdata.builders import BITCOIN, START, bar

ROOT = Path(__file__).resolve().parents[2]
BATCH = 25
DAY = timedelta(days=1)
# Saves batch after batch and says each number once it is acknowledged.
WRITER = f"""
import sys
from domain.interval import Interval
from marketdata.mongo import connect
from marketdata.repository import BarRepository
from tests.marketdata.builders import BITCOIN, bar

repository = BarRepository(connect(sys.argv[1])["killed"])
for number in range(int(sys.argv[2])):
    repository.save(BITCOIN, Interval.M1, [bar(number * {BATCH} + n) for n in range({BATCH})])
    print(number, flush=True)
"""


@pytest.fixture
def own_mongod(tmp_path_factory):
    """A server of this test's own, so that killing it disturbs nobody."""
    folder = tmp_path_factory.mktemp("k")
    mongod = Mongod(data=folder / "data", run=folder / "run", log=folder / "mongod.log")
    mongod.start()
    wait_until_ready(mongod)
    yield mongod
    mongod.stop()


def start_writer(uri, batches=100_000):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, uri, str(batches)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def kill(process):
    """Kill ``process`` without warning; the numbers that it had said by then and not been read."""
    process.send_signal(signal.SIGKILL)
    said = process.stdout.read().splitlines()
    process.wait()
    return [int(line) for line in said if line]


def check(uri, acknowledged):
    """All that was acknowledged is stored, nothing twice or in part, and the series document agrees."""
    with connect(uri) as client:
        repository = BarRepository(client["killed"])
        stored = repository.between(BITCOIN, Interval.M1, None, None)
        series = repository.series(BITCOIN, Interval.M1)
        ledger = CoverageLedger(client["killed"])
        sums = ledger.coverage(BITCOIN, Interval.M1, None, stored[-1].close_time, now=stored[-1].close_time + DAY)
        wrong_bits = ledger.verify(BITCOIN, Interval.M1)
    assert stored == [bar(n) for n in range(len(stored))]
    assert len(stored) % BATCH == 0
    assert len(stored) >= (acknowledged + 1) * BATCH
    assert (series.count, series.version) == (len(stored), len(stored) // BATCH)
    assert (sums.expected, sums.stored, sums.missing, wrong_bits) == (len(stored), len(stored), 0, 0)
    assert (series.first, series.last) == (START, stored[-1].open_time)


def read_until(process, number):
    for line in process.stdout:
        if int(line) >= number:
            return int(line)
    raise AssertionError("the writer ended by itself")


def test_a_writer_that_is_killed_leaves_whole_batches(own_mongod):
    for at_least in (3, 17):
        writer = start_writer(own_mongod.uri)
        acknowledged = read_until(writer, at_least)
        said = kill(writer)
        check(own_mongod.uri, max([acknowledged, *said]))


def test_a_database_that_is_killed_keeps_every_acknowledged_bar(own_mongod):
    writer = start_writer(own_mongod.uri)
    acknowledged = read_until(writer, 10)
    os.kill(own_mongod.child.pid, signal.SIGKILL)
    said = kill(writer)
    own_mongod.stop()
    own_mongod.start()
    wait_until_ready(own_mongod)
    check(own_mongod.uri, max([acknowledged, *said]))


def test_two_processes_that_write_the_same_bars_at_once_store_each_once(own_mongod):
    writers = [start_writer(own_mongod.uri, 30) for _ in range(2)]
    for writer in writers:
        assert writer.communicate()[0].split() == [str(number) for number in range(30)]
    check(own_mongod.uri, 29)

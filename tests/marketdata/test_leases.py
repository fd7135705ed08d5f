"""One holder at a time, by the server's clock, and a token that only grows."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.errors import LeaseLost
from marketdata.leases import Leases, holder
from marketdata.processes import is_known_dead, own_name


@pytest.fixture
def leases(mongo_database):
    return Leases(mongo_database)


def test_one_holder_at_a_time(leases):
    mine = leases.acquire("7:1m", "a")
    assert (mine.owner, mine.token) == ("a", 1)
    assert leases.acquire("7:1m", "b") is None
    assert leases.acquire("7:3m", "b").token == 1
    leases.release(mine)
    assert leases.acquire("7:1m", "b").token == 2


def test_of_many_that_ask_at_once_one_gets_it(leases):
    barrier = threading.Barrier(8)

    def ask(n):
        barrier.wait()
        return leases.acquire("7:1m", f"owner {n}")

    with ThreadPoolExecutor(8) as pool:
        got = [lease for lease in pool.map(ask, range(8)) if lease]
    assert len(got) == 1


def test_a_lease_that_ran_out_goes_to_the_next_and_its_holder_is_told(mongo_database):
    mine = Leases(mongo_database, ttl_seconds=0).acquire("7:1m", "a")
    theirs = Leases(mongo_database).acquire("7:1m", "b")
    assert theirs.token == mine.token + 1
    with pytest.raises(LeaseLost):
        Leases(mongo_database).check(mine)
    Leases(mongo_database).renew([mine])  # takes nothing back
    Leases(mongo_database).release(mine)  # nor lets it go for another
    Leases(mongo_database).check(theirs)


def test_a_lease_that_is_renewed_goes_on(mongo_database):
    short, long = Leases(mongo_database, ttl_seconds=0), Leases(mongo_database)
    mine = short.acquire("7:1m", "a")
    long.renew([mine])
    long.check(mine)


def test_what_a_dead_process_held_is_freed_and_nothing_else(leases):
    leases.acquire("7:1m", holder("host:1", 3))
    leases.acquire("7:3m", holder("host:12", 4))
    leases.release_all("host:1")
    assert leases.acquire("7:1m", "b") is not None
    assert leases.acquire("7:3m", "b") is None


def test_a_process_knows_who_is_dead_for_sure():
    child = subprocess.Popen(
        [sys.executable, "-c", "from marketdata.processes import own_name; print(own_name(), flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    name = child.stdout.readline().strip()
    assert not is_known_dead(name)
    assert not is_known_dead(own_name())
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_known_dead(name)  # though it is not reaped yet
    child.communicate()
    assert is_known_dead(name)
    place, _, rest = own_name().partition(":")
    assert is_known_dead(f"{place}:{rest.partition(':')[0]}:1")  # the same number, another process
    assert not is_known_dead(f"elsewhere:{rest}")

"""What becomes of the job queue when one of its processes is killed, with the real cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from tests.marketdata.sync.killed import wait_until

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(60)]


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def cluster(mongo_database, redis_client):
    environment = {
        "DATABASE_URL": f"sqlite:///{django_settings.DATABASES['default']['NAME']}",
        "MONGODB_DATABASE": django_settings.MONGODB_DATABASE,
    }
    running = subprocess.Popen(
        [sys.executable, "manage.py", "qcluster"],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    yield running
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGKILL)
    running.communicate()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for the workers in Linux' /proc")
def test_a_worker_that_is_killed_ends_its_cluster_since_the_others_would_wait_for_ever(cluster):
    def family() -> list[int]:
        return [child for sentinel in children(cluster.pid) for child in children(sentinel)]

    processes = django_settings.Q_CLUSTER["workers"] + 2  # those who hand out and take back
    wait_until(lambda: len(family()) == processes, 30, "the cluster is there")
    members = family()
    os.kill(members[0], signal.SIGKILL)
    assert cluster.wait(timeout=15) == 1
    assert "start it again" in cluster.stdout.read()
    assert not [pid for pid in members if Path(f"/proc/{pid}").exists()]

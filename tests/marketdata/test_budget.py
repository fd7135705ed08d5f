"""One budget of requests a provider, shared by all processes, with a reserve for healing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.conf import settings

from marketdata.budget import Budget

NOBODY = "redis://127.0.0.1:9"  # discard: nobody listens


def budget(per_minute, *, redis_url=None, processes=2, **options):
    return Budget({"demo": per_minute}, redis_url=redis_url or settings.REDIS_URL, processes=processes, **options)


def taken(some_budget, most=200, *, is_bulk):
    """How often in a row something could be taken."""
    return next(n for n in range(most) if some_budget.take("demo", 1, is_bulk=is_bulk))


def test_two_processes_share_one_budget(redis_client):
    assert taken(budget(50), is_bulk=False) == 50
    code = (
        "import django; django.setup()\n"
        "from tests.marketdata.test_budget import budget\n"
        "print(budget(50).take('demo', 1, is_bulk=False), budget(51).take('demo', 1, is_bulk=False))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    wait, none = map(float, said.stdout.split())
    assert 0 < wait <= 60
    assert none == 0.0


def test_bulk_leaves_a_fifth_to_healing(redis_client):
    shared = budget(50)
    assert taken(shared, is_bulk=True) == 40
    assert taken(shared, is_bulk=False) == 10


def test_many_requests_at_once_cost_as_many(redis_client):
    shared = budget(50)
    assert shared.take("demo", 49, is_bulk=False) == 0.0
    assert shared.take("demo", 2, is_bulk=False) > 0
    assert shared.take("demo", 1, is_bulk=False) == 0.0


def test_more_than_a_minute_allows_costs_a_minute(redis_client):
    assert budget(50).take("demo", 5_000, is_bulk=True) == 0.0


def test_a_provider_without_a_limit_is_free(redis_client):
    assert budget(1).take("replay", 1_000_000, is_bulk=True) == 0.0


@pytest.mark.parametrize(("processes", "share"), [(1, 60), (3, 20)])
def test_without_redis_each_process_has_its_share(processes, share):
    assert taken(budget(60, redis_url=NOBODY, processes=processes), is_bulk=False) == share


def test_redis_is_asked_again_after_a_while(redis_client):
    now = [0.0]
    shared = budget(60, monotonic=lambda: now[0])
    shared._look_again_at = 5.0
    assert taken(shared, is_bulk=False) == 30
    now[0] = 5.0
    assert taken(shared, is_bulk=False) == 60

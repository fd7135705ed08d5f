"""Lanes: how many chunks of work of a provider are queued or running at once, so that no queue grows.

A lane is free, queued (a task with its ticket waits), or begun (its owner lives). Whoever finds work and a free lane
queues a task for it; a task whose ticket is no longer the lane's ends at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django_q.tasks import async_task

from marketdata.models import SyncLane
from marketdata.processes import is_known_dead

CHUNK = "marketdata.tasks.work"
# A task that was not begun by then is taken for lost: the cluster was killed with it in hand.
LOST_AFTER = timedelta(seconds=10)
BEAT_LOST_AFTER = timedelta(seconds=20)


def offer(provider: str, now: datetime) -> int:
    """Queue a chunk for each free lane of the provider; return how many."""
    queued = 0
    for number in range(cast(int, settings.Q_CLUSTER["workers"])):
        with transaction.atomic():
            lane, _ = SyncLane.objects.select_for_update().get_or_create(provider=provider, number=number)
            if lane.owner == "" and (lane.queued_at is None or lane.queued_at < now - LOST_AFTER):
                _queue(lane, now)
                queued += 1
    return queued


def begin(provider: str, number: int, ticket: int, owner: str, now: datetime) -> bool:
    """Take the lane; False if it has been given to another task."""
    lane = SyncLane.objects.filter(provider=provider, number=number, ticket=ticket, owner="")
    return lane.update(owner=owner, queued_at=None, beat_at=now) == 1


def beat(provider: str, number: int, owner: str, now: datetime) -> None:
    SyncLane.objects.filter(provider=provider, number=number, owner=owner).update(beat_at=now)


def finish(provider: str, number: int, owner: str, now: datetime, *, again: bool) -> None:
    """Leave the lane; with ``again`` to a new task, behind whatever else waits in the queue."""
    with transaction.atomic():
        lane = SyncLane.objects.select_for_update().filter(provider=provider, number=number, owner=owner).first()
        if lane is not None:
            lane.owner, lane.beat_at = "", None
            if again:
                _queue(lane, now)
            else:
                lane.save()


def free_dead(now: datetime) -> None:
    """Free the lanes of processes that have died or are not heard of."""
    held = SyncLane.objects.exclude(owner="")
    dead = [owner for owner in held.order_by().values_list("owner", flat=True).distinct() if is_known_dead(owner)]
    lost = held.filter(Q(owner__in=dead) | Q(beat_at__lt=now - BEAT_LOST_AFTER))
    if lost.exists():
        lost.update(owner="", queued_at=None, beat_at=None, ticket=F("ticket") + 1)


def _queue(lane: SyncLane, now: datetime) -> None:
    """The queue's rows and ours are in one database: both are written or none."""
    lane.ticket += 1
    lane.queued_at = now
    lane.save()
    async_task(CHUNK, lane.provider, lane.number, lane.ticket, task_name=f"sync {lane.provider} {lane.number}"[:100])

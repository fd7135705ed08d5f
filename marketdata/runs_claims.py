"""Items that wait are claimed by a worker, kept while it lives, and freed when it died. Short transactions only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from marketdata.models import SyncItem, SyncRun
from marketdata.processes import is_known_dead

CLAIMED_FOR = timedelta(seconds=20)  # renewed every few seconds while the worker lives


def claim(provider: str, limit: int, owner: str, now: datetime, *, run_id: int | None = None) -> list[SyncItem]:
    """Take up to ``limit`` items, the most urgent first; nobody else gets them until the claim runs out.

    Items of a run in the foreground go only to whoever names it by ``run_id``.
    """
    if limit <= 0:
        return []
    waiting = SyncItem.objects.claimable(provider, now)
    waiting = waiting.filter(run=run_id) if run_id else waiting.filter(run__owner="")
    with transaction.atomic():
        # Where rows can be locked, others skip those that we are about to take; SQLite lets one writer in at a time.
        locked = waiting.select_for_update(skip_locked=True, of=("self",)).only("id")
        ids = [item.pk for item in locked[:limit]]
        if not ids:
            return []
        SyncItem.objects.filter(id__in=ids).update(
            state=SyncItem.State.SYNCING, owner=owner, due_at=now + CLAIMED_FOR, started_at=now, finished_at=None
        )
        taken = SyncItem.objects.filter(id__in=ids).select_related("run", "symbol__exchange")
        items = {item.pk: item for item in taken}
        SyncRun.objects.filter(id__in={item.run_id for item in items.values()}, started_at=None).update(started_at=now)
    return [items[pk] for pk in ids]


def is_work_waiting(provider: str, now: datetime) -> bool:
    return SyncItem.objects.claimable(provider, now).filter(run__owner="").exists()


def waiting_providers(now: datetime) -> list[str]:
    """Providers that have something to do now."""
    waiting = SyncItem.objects.open().exclude(state=SyncItem.State.SYNCING)
    ready = waiting.filter(due_at__lte=now, run__state=SyncRun.State.RUNNING, run__owner="")
    return sorted(set(ready.order_by().values_list("provider", flat=True).distinct()))


def keep(items: Iterable[SyncItem], owner: str, now: datetime) -> None:
    """Show that the worker lives."""
    ids = [item.pk for item in items]
    held = SyncItem.objects.filter(pk__in=ids, owner=owner, state=SyncItem.State.SYNCING)
    held.update(due_at=now + CLAIMED_FOR)


def stopped_runs(items: Iterable[SyncItem]) -> set[int]:
    """Which of the runs of these items were paused, cancelled or removed."""
    runs = {item.run_id for item in items}
    running = SyncRun.objects.filter(id__in=runs, state=SyncRun.State.RUNNING)
    return runs - set(running.values_list("id", flat=True)) if runs else set()


def free_expired(now: datetime) -> list[str]:
    """Give back what belongs to workers that have died or are not heard of; the names of the dead.

    Whose process has ended for sure, on this machine, is known at once; others are waited for.
    """
    held = SyncItem.objects.filter(state=SyncItem.State.SYNCING, due_at__isnull=False)
    dead = [owner for owner in held.order_by().values_list("owner", flat=True).distinct() if is_known_dead(owner)]
    lost = held.filter(Q(owner__in=dead) | Q(due_at__lte=now))
    if lost.exists():
        lost.update(
            state=SyncItem.State.PENDING, owner="", due_at=now, reason="its worker ended in the middle; going on"
        )
    # A run in the foreground whose process is gone goes on in the background.
    fronts = SyncRun.objects.filter(state=SyncRun.State.RUNNING).exclude(owner="")
    orphans = [run.pk for run in fronts if is_known_dead(run.owner)]
    if orphans:
        SyncRun.objects.filter(pk__in=orphans).update(owner="")
    return dead

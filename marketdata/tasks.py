"""What the queue calls, and how to call it. Each takes arguments that survive a queue, and may run twice."""

from __future__ import annotations

import structlog
from django.utils import timezone

from domain.errors import StoreUnavailable
from domain.interval import Interval
from marketdata import runs, runs_claims, runs_lanes, sync_sweep
from marketdata.models import SyncItem, SyncRun
from marketdata.processes import own_name
from marketdata.sync_chunk import Chunk
from marketdata.sync_pace import paused_providers
from symbols.models import Symbol

log = structlog.get_logger(__name__)


def work(provider: str, lane: int, ticket: int) -> int:
    """A chunk of work for a provider's lane; returns how many pieces ended. Queued by ``runs_lanes.offer``."""
    owner = own_name()
    if not runs_lanes.begin(provider, lane, ticket, owner, timezone.now()):
        return 0  # the lane was given to another task, since this one waited too long
    count, again = 0, False
    try:
        if provider not in paused_providers(timezone.now()):
            beat = lambda: runs_lanes.beat(provider, lane, owner, timezone.now())  # noqa: E731
            count = Chunk(provider, owner, beat=beat).run()
        now = timezone.now()
        again = provider not in paused_providers(now) and runs_claims.is_work_waiting(provider, now)
    except StoreUnavailable as error:  # the sweep looks again in two seconds
        log.warning("sync_waits", provider=provider, reason=str(error))
    finally:
        runs_lanes.finish(provider, lane, owner, timezone.now(), again=again)
    return count


def sweep() -> int:
    """Take up what was dropped; for those who cannot wait for the workers' own sweeps."""
    return sync_sweep.sweep(timezone.now())


def queue_sync(symbol_code: str, kind: str = SyncRun.Kind.HEALING) -> int:
    """Have the 13 series of a symbol brought up to date, before bulk work; return how many were not waiting yet.

    Raises UnknownSymbol.
    """
    symbol = Symbol.objects.with_code(symbol_code)
    if symbol.status == Symbol.Status.RETIRED:
        return 0
    waiting = SyncItem.objects.filter(
        symbol=symbol,
        state=SyncItem.State.PENDING,
        run__state=SyncRun.State.RUNNING,
        run__start=None,
        run__end=None,
        priority__lte=SyncRun.Priority.SOON,
    )
    known = set(waiting.values_list("interval", flat=True))
    series = [(symbol, interval) for interval in Interval if interval.value not in known]
    if series:
        priority = SyncRun.Priority.SOON if kind == SyncRun.Kind.FIRST else SyncRun.Priority.HEALING
        runs.start(runs.Order(series=series, kind=kind, priority=priority))
    return len(series)

"""What the queue calls, and how to call it. Each takes arguments that survive a queue, and may run twice."""

from __future__ import annotations

from collections.abc import Collection

import structlog
from django.utils import timezone

from domain.errors import StoreUnavailable
from marketdata import resyncs, runs_claims, runs_lanes, sync_sweep
from marketdata.models import SyncRun
from marketdata.processes import own_name
from marketdata.sync_chunk import Chunk
from marketdata.sync_orders import with_codes
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
    return resyncs.bring_up_to_date([Symbol.objects.with_code(symbol_code)], kind)


def queue_healing(symbol_codes: Collection[str]) -> int:
    """The same for many symbols in one run; those that are not registered any more are left out."""
    return resyncs.bring_up_to_date(with_codes(list(symbol_codes)), SyncRun.Kind.HEALING)

"""What keeps runs going by themselves: every worker looks every two seconds for what others have dropped."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, connection
from django.utils import timezone

from domain.errors import StoreUnavailable
from marketdata import runs_claims, runs_lanes, runs_outcomes
from marketdata.leases import Leases
from marketdata.models import SyncRun
from marketdata.mongo import database
from marketdata.schedules import make_schedules
from marketdata.sync_pace import paused_providers

EVERY_SECONDS = 2.0
# Finished runs are kept for so long, those that healed a feed by themselves for a week.
_KEPT = timedelta(days=90)
_KEPT_HEALING = timedelta(days=7)

log = structlog.get_logger(__name__)


def sweep(now: datetime) -> int:
    """Take from the dead, queue chunks for what waits, end what is done. Returns how many chunks were queued.

    Harmless to repeat and to do in several processes at once.
    """
    dead = runs_claims.free_expired(now)
    runs_lanes.free_dead(now)
    _free_leases(dead)
    paused = paused_providers(now)
    waiting = [provider for provider in runs_claims.waiting_providers(now) if provider not in paused]
    queued = sum(runs_lanes.offer(provider, now) for provider in waiting)
    runs_outcomes.close_finished(now)
    return queued


def forget_old(now: datetime) -> int:
    """Remove finished runs that nobody will look at any more; return how many rows went."""
    finished = SyncRun.objects.exclude(state__in=SyncRun.UNFINISHED)
    healing = finished.filter(kind=SyncRun.Kind.HEALING, finished_at__lt=now - _KEPT_HEALING)
    count, _ = (finished.filter(finished_at__lt=now - _KEPT) | healing).delete()
    return count


def _free_leases(dead: list[str]) -> None:
    """Others need not wait for the leases of the dead to run out."""
    if dead:
        try:
            leases = Leases(database())
            for owner in dead:
                leases.release_all(owner)
        except StoreUnavailable as error:
            log.info("leases_not_freed", reason=str(error))  # they run out by themselves


class Sweeper(threading.Thread):
    """Sweeps until its process ends."""

    def __init__(self) -> None:
        super().__init__(name="sync sweeper", daemon=True)
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        last_forgotten = None
        while not self._stopped.is_set():
            now = timezone.now()
            try:
                sweep(now)
                if last_forgotten is None or now - last_forgotten > timedelta(hours=1):
                    make_schedules(now)
                    forget_old(now)
                    last_forgotten = now
            except DatabaseError as error:  # not migrated yet, or away: the next turn will tell
                log.warning("sweep_failed", reason=str(error)[:200])
            except Exception:  # a defect; without sweeps runs would stand still after the next kill
                log.exception("sweep_failed")
            finally:
                connection.close()
            self._stopped.wait(EVERY_SECONDS)

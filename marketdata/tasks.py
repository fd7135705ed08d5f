"""What the queue calls. Each is far below 5 s, may run twice, and takes arguments that survive a queue."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone
from django_q.models import Schedule
from django_q.tasks import async_task

from domain.errors import PocketQuantError, ProviderUnavailable, StoreUnavailable
from domain.interval import Interval
from marketdata.models import SeriesSync
from marketdata.mongo import database
from marketdata.repository import BarRepository
from marketdata.services import SyncResult, sync_latest
from providers.base import Provider
from symbols.models import Symbol
from symbols.services import resolve_symbol
from symbols.sources import opened_provider

log = structlog.get_logger(__name__)

SYNC_SERIES = "marketdata.tasks.sync_series"
# What a chart shows first comes first; the queue is first in, first out.
ORDER = sorted(Interval, key=lambda interval: interval not in (Interval.M1, Interval.H1, Interval.D1))
_FIRST_RETRY = timedelta(seconds=30)
_LAST_RETRY = timedelta(hours=1)


def queue_sync(symbol_code: str) -> int:
    """Queue a sync of each of the 13 series of a symbol; return how many were not waiting already.

    Raises UnknownSymbol.
    """
    symbol = Symbol.objects.with_code(symbol_code)
    if symbol.status == Symbol.Status.RETIRED:
        return 0
    now = timezone.now()
    # The queue's rows and ours are in one database: both are written or none.
    with transaction.atomic():
        wanted = [interval for interval in ORDER if SeriesSync.objects.claim(symbol, interval.value, now)]
        for interval in wanted:
            async_task(SYNC_SERIES, symbol_code, interval.value, task_name=f"sync {symbol_code} {interval.value}"[:100])
    return len(wanted)


def sync_series(symbol_code: str, interval: str) -> dict[str, int]:
    """Bring one series up to date; what cannot be reached now is tried again later, ever more rarely."""
    symbol = Symbol.objects.with_code(symbol_code)
    if symbol.status == Symbol.Status.RETIRED:  # since it was queued
        return _counts(SyncResult())
    row = SeriesSync.objects.begin(symbol, interval, timezone.now())
    try:
        with opened_provider(symbol.provider) as provider:
            result = _bring_up_to_date(symbol, Interval(interval), provider)
    except PocketQuantError as error:
        _note_failure(row, symbol_code, error)
        if not isinstance(error, ProviderUnavailable | StoreUnavailable):
            raise
        return _counts(SyncResult())
    _note_success(row, result)
    return _counts(result)


def _counts(result: SyncResult) -> dict[str, int]:
    """What the queue keeps of a task."""
    return {"inserted": result.inserted, "replaced": result.replaced, "unchanged": result.unchanged}


def _bring_up_to_date(symbol: Symbol, interval: Interval, provider: Provider) -> SyncResult:
    if not resolve_symbol(symbol=symbol, provider=provider):
        raise ProviderUnavailable(symbol.status_reason)
    return sync_latest(
        instrument=symbol.instrument(),
        interval=interval,
        now=timezone.now(),
        provider=provider,
        repository=BarRepository(database()),
    )


def _note_success(row: SeriesSync, result: SyncResult) -> None:
    row.state = SeriesSync.State.COMPLETED if result.is_changed else SeriesSync.State.UP_TO_DATE
    row.inserted, row.replaced, row.unchanged = result.inserted, result.replaced, result.unchanged
    row.failures, row.reason, row.finished_at = 0, "", timezone.now()
    row.save(update_fields=[*_OUTCOME, "inserted", "replaced", "unchanged"])


def _note_failure(row: SeriesSync, symbol_code: str, error: PocketQuantError) -> None:
    log.warning("sync_failed", symbol=symbol_code, interval=row.interval, reason=str(error))
    row.state, row.reason, row.finished_at = SeriesSync.State.ERROR, str(error)[:300], timezone.now()
    row.failures += 1
    row.save(update_fields=_OUTCOME)
    if isinstance(error, ProviderUnavailable | StoreUnavailable):
        _schedule_retry(symbol_code, row.interval, row.finished_at, row.failures)


# Not `queued_at`: somebody may have asked for the next sync meanwhile.
_OUTCOME = ["state", "failures", "reason", "finished_at"]


def _schedule_retry(symbol_code: str, interval: str, now: datetime, failures: int) -> None:
    """One retry a series, whoever else failed at it: the schedule's name is the series'."""
    pause = min(_LAST_RETRY, _FIRST_RETRY * 2 ** min(failures - 1, 10))
    Schedule.objects.update_or_create(
        name=f"retry {symbol_code} {interval}"[:100],
        defaults={
            "func": SYNC_SERIES,
            "args": repr((symbol_code, interval)),
            "schedule_type": Schedule.ONCE,
            "next_run": now + pause,
            "repeats": -1,
        },
    )

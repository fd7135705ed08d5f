"""What the schedules call. Each makes a run and returns in words what became of it; the run tells when it is done.

``planned`` is the time that a task was planned for, as ISO text: the same turn of a schedule never makes two runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from domain.interval import Interval
from marketdata import reconcile as reconciling
from marketdata import runs, schedules
from marketdata.models import SyncItem, SyncRun
from marketdata.sync_pace import silent_providers
from symbols.models import Symbol

log = structlog.get_logger(__name__)


def sync_all(planned: str | None = None) -> str:
    """All symbols that are neither retired nor offline."""
    return _sync(schedules.ALL, Symbol.objects.provided, planned)


def sync_trading(planned: str | None = None) -> str:
    """Symbols whose exchange has a session on the day that it is there now."""
    now = timezone.now()

    def trading() -> list[Symbol]:
        symbols = list(Symbol.objects.provided())
        calendars = {symbol.calendar_name for symbol in symbols}
        open_today = {calendar for calendar in calendars if schedules.is_trading_day(calendar, now)}
        return [symbol for symbol in symbols if symbol.calendar_name in open_today]

    return _sync(schedules.TRADING, trading, planned)


def sync_after_close(calendar: str, planned: str | None = None) -> str:
    """Symbols of one calendar, once its trading day is over; then plans the next time."""
    try:
        return _sync(schedules.after_close(calendar), lambda: schedules.symbols_of(calendar), planned)
    finally:
        schedules.move_after_close(calendar, timezone.now())


def reconcile(planned: str | None = None) -> str:
    """Bars that closed shortly ago, against the provider's history; and schedules for exchanges that are new."""
    now = timezone.now()
    schedules.make_schedules(now)
    return reconciling.reconcile(now, key=f"reconcile {planned}" if planned else None)


def _sync(what: str, symbols: Callable[[], Iterable[Symbol]], planned: str | None) -> str:
    key = f"{what} {planned}" if planned else None
    open_items = SyncItem.objects.open().filter(run__kind=SyncRun.Kind.SCHEDULE, run__fingerprint=what)
    # What failed is tried again by the run in which it failed, as is what waits for a provider that does not answer:
    # neither holds up the others.
    stuck = Q(state=SyncItem.State.ERROR) | Q(state=SyncItem.State.PENDING, provider__in=silent_providers())
    in_order = open_items.select_related("run").order_by("run_id")
    earlier = in_order.exclude(stuck).first()
    if earlier is not None and (key is None or earlier.run.idempotency_key != key):
        return _skip(what, earlier.run, key)
    waiting = set(open_items.filter(stuck).values_list("symbol", "interval"))
    wanted = [(symbol, interval) for symbol in symbols() for interval in Interval]
    series = [(symbol, interval) for symbol, interval in wanted if (symbol.pk, interval.value) not in waiting]
    if not series:
        last = in_order.first()
        return _skip(what, last.run, key) if wanted and last else "nothing to sync"
    order = runs.Order(series=series, kind=SyncRun.Kind.SCHEDULE, idempotency_key=key, fingerprint=what)
    run, is_new = runs.start(order)
    return f"run {run.pk}: {len(series)} series" if is_new else f"run {run.pk} was made before"


def _skip(what: str, earlier: SyncRun, key: str | None) -> str:
    """Not twice at once: what is under way will find what this turn would have found. Kept as a run, to be seen."""
    now = timezone.now()
    words = f"skipped: run {earlier.pk} of {earlier.created_at:%Y-%m-%d %H:%M} UTC is still {earlier.state}"
    try:
        with transaction.atomic():
            SyncRun.objects.create(
                kind=SyncRun.Kind.SCHEDULE,
                state=SyncRun.State.CANCELLED,
                idempotency_key=key,
                fingerprint=what,
                reason=words,
                started_at=now,
                finished_at=now,
            )
    except IntegrityError:  # another worker has this turn too
        return f"run {SyncRun.objects.get(kind=SyncRun.Kind.SCHEDULE, idempotency_key=key).pk} was made before"
    log.warning("schedule_skipped", schedule=what, run=earlier.pk, reason=words)
    return words

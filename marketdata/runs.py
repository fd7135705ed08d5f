"""Orders to sync: made, paused, resumed, cancelled, tried again. Doors call these; workers do the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from domain.errors import Conflict
from domain.interval import Interval
from marketdata import runs_lanes, runs_outcomes
from marketdata.models import SyncItem, SyncRun
from marketdata.runs_deadlines import deadlines
from symbols.models import Symbol

log = structlog.get_logger(__name__)
State = SyncRun.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is wanted. ``start`` None: as far back as the provider goes; ``end`` None: until now.

    ``owner``: the process that will work on it by itself, in the foreground. ``fingerprint`` names what was asked, so
    that an ``idempotency_key`` is not used for two things. ``positions``: the order of work, if the caller knows better
    than ``deadlines`` what is lost first.
    """

    series: Sequence[tuple[Symbol, Interval]]
    start: datetime | None = None
    end: datetime | None = None
    missing_only: bool = True
    kind: str = SyncRun.Kind.MANUAL
    priority: int = SyncRun.Priority.BULK
    requested_by: Any = None  # a User, whose app lies beside ours
    idempotency_key: str | None = None
    fingerprint: str = ""
    owner: str = ""
    positions: Sequence[int] | None = None


def start(order: Order) -> tuple[SyncRun, bool]:
    """Make a run of it and have it worked on; the run, and whether it is new.

    The same key again gives the same run. Raises Conflict if that was for something else.
    """
    known = _with_key(order)
    if known is not None:
        return known, False
    wanted = dict(zip(order.series, _positions(order), strict=True))  # each series once
    try:
        with transaction.atomic():
            run = SyncRun.objects.create(
                kind=order.kind,
                priority=order.priority,
                start=order.start,
                end=order.end,
                missing_only=order.missing_only,
                requested_by=order.requested_by,
                idempotency_key=order.idempotency_key,
                fingerprint=order.fingerprint,
                owner=order.owner,
            )
            _add_items(run, wanted)
    except IntegrityError:  # the same key, at the same moment
        known = _with_key(order)
        if known is None:
            raise
        return known, False
    runs_outcomes.close(run, timezone.now())  # an order of nothing is done
    _offer(run)
    run.refresh_from_db()
    log.info("sync_ordered", run=run.pk, kind=run.kind, series=len(wanted))
    return run, True


def _with_key(order: Order) -> SyncRun | None:
    if order.idempotency_key is None:
        return None
    known = SyncRun.objects.filter(requested_by=order.requested_by, idempotency_key=order.idempotency_key).first()
    if known is not None and known.fingerprint != order.fingerprint:
        raise Conflict(f"this Idempotency-Key was used for another request, which made run {known.pk}; take a new one")
    return known


def _positions(order: Order) -> list[int]:
    """The order of work: what is lost first comes first; of a symbol's first sync, what a chart shows first."""
    if order.positions is not None:
        return list(order.positions)
    if order.kind == SyncRun.Kind.FIRST:
        return [_SHOWN_FIRST.index(interval) for _, interval in order.series]
    return deadlines(order.series, timezone.now())


_SHOWN_FIRST = sorted(Interval, key=lambda interval: interval not in (Interval.M1, Interval.H1, Interval.D1))


def _add_items(run: SyncRun, positions: Mapping[tuple[Symbol, Interval], int]) -> None:
    SyncItem.objects.bulk_create(
        [
            SyncItem(
                run=run,
                symbol=symbol,
                interval=interval.value,
                provider=symbol.provider,
                priority=run.priority,
                position=position,
                due_at=run.created_at,
            )
            for (symbol, interval), position in positions.items()
        ],
        batch_size=2_000,
    )


def _offer(run: SyncRun) -> None:
    """Have workers begin at once, if they are not at it already."""
    if not run.owner:
        waiting = SyncItem.objects.open().filter(run=run).order_by()
        for provider in waiting.values_list("provider", flat=True).distinct():
            runs_lanes.offer(provider, timezone.now())


def pause(run: SyncRun) -> SyncRun:
    """Start nothing more of it until it is resumed; pages in hand are finished. Raises Conflict if it has ended."""
    return _change(run, (State.RUNNING,), State.PAUSED, same=State.PAUSED)


def resume(run: SyncRun) -> SyncRun:
    """Go on where it was paused. Raises Conflict if it has ended."""
    run = _change(run, (State.PAUSED,), State.RUNNING, same=State.RUNNING, reason="")
    runs_outcomes.close(run, timezone.now())
    _offer(run)
    run.refresh_from_db()
    return run


def cancel(run: SyncRun, why: str = "cancelled") -> SyncRun:
    """End it; what is stored stays. Raises Conflict if it has ended otherwise."""
    now = timezone.now()
    with transaction.atomic():
        run = _change(
            run, (State.RUNNING, State.PAUSED), State.CANCELLED, same=State.CANCELLED, finished_at=now, reason=why
        )
        waiting = SyncItem.objects.open().filter(run=run).exclude(state=SyncItem.State.SYNCING)
        waiting.update(state=SyncItem.State.CANCELLED, due_at=None, finished_at=now, reason=why)
    return run


def hand_over(run: SyncRun) -> None:
    """The process that worked on it in the foreground is done with it; what is open goes to the workers."""
    SyncRun.objects.filter(pk=run.pk).update(owner="")
    run.refresh_from_db()
    if not run.is_finished:
        runs_outcomes.close(run, timezone.now())
        _offer(run)
        run.refresh_from_db()


def retry_failed(run: SyncRun) -> SyncRun:
    """Try what failed, is not whole or was cancelled once more: now, or once a run that is paused is resumed.

    Raises Conflict if there is no such series.
    """
    now = timezone.now()
    again = [SyncItem.State.ERROR, SyncItem.State.PARTIAL, SyncItem.State.CANCELLED]
    with transaction.atomic():
        failed = SyncItem.objects.filter(run=run, state__in=again)
        count = failed.update(
            state=SyncItem.State.PENDING, due_at=now, failures=0, finished_at=None, reason="tried again on demand"
        )
        if not count:
            raise Conflict(f"run {run.pk}: nothing failed, so there is nothing to try again")
        ours = SyncRun.objects.filter(pk=run.pk)
        waits = f"paused: {count} series are tried again once it is resumed"
        if not ours.filter(state=State.PAUSED).update(reason=waits):
            ours.exclude(state=State.PAUSED).update(state=State.RUNNING, finished_at=None, reason="", owner="")
    run.refresh_from_db()
    if run.state == State.RUNNING:
        _offer(run)
    return run


def _change(run: SyncRun, before: Iterable[str], after: str, *, same: str, **values: object) -> SyncRun:
    changed = SyncRun.objects.filter(pk=run.pk, state__in=before).update(state=after, **values)
    run.refresh_from_db()
    if not changed and run.state != same:
        raise Conflict(f"run {run.pk} has ended: it is {run.state}")
    return run

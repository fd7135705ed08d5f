"""Syncs that nobody ordered: of symbols that are new, or whose feed had a hole, or whose history is told anew."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

import structlog
from django.db.models import Min, Q
from django.utils import timezone

from domain.interval import Interval
from marketdata import runs
from marketdata.models import SyncItem, SyncRun
from marketdata.sync_pace import heard_of
from symbols.models import Symbol

_ANSWERED = (SyncItem.State.COMPLETED, SyncItem.State.UP_TO_DATE, SyncItem.State.PARTIAL)
_AT_ONCE = 500  # SQLite takes only so many parameters
REFUSED_FOR = timedelta(hours=6)  # a symbol that its provider does not know is not asked for by itself

log = structlog.get_logger(__name__)


def bring_up_to_date(symbols: Iterable[Symbol], kind: str) -> int:
    """Order one run over the 13 series of each of these symbols, as far as they are not waiting; how many are new.

    To heal them there is news of their feeds: whether their providers answer again is tried at once.
    """
    wanted = [symbol for symbol in symbols if symbol.status != Symbol.Status.RETIRED]
    known = {one for first in range(0, len(wanted), _AT_ONCE) for one in _waiting(wanted[first : first + _AT_ONCE])}
    series = [(symbol, interval) for symbol in wanted for interval in Interval]
    series = [(symbol, interval) for symbol, interval in series if (symbol.pk, interval.value) not in known]
    if kind == SyncRun.Kind.HEALING:
        heard_of({symbol.provider for symbol in wanted if symbol.status == Symbol.Status.ACTIVE}, timezone.now())
    if series:
        priority = SyncRun.Priority.SOON if kind == SyncRun.Kind.FIRST else SyncRun.Priority.HEALING
        runs.start(runs.Order(series=series, kind=kind, priority=priority))
    return len(series)


def _waiting(symbols: Collection[Symbol]) -> set[tuple[int, str]]:
    """Series of these symbols that somebody will ask for soon and whole.

    What failed and is tried again is among them: now, since there is news of its feed. A symbol of which the provider
    has not told what it is has no feed: it stays at its own pace, and what was refused is left to schedules and people.
    """
    now = timezone.now()
    whole = Q(symbol__in=symbols, run__start=None, run__end=None, priority__lte=SyncRun.Priority.SOON)
    open_items = SyncItem.objects.open().filter(whole, run__state=SyncRun.State.RUNNING)
    failed = open_items.filter(state=SyncItem.State.ERROR)
    is_unresolved = Q(symbol__status=Symbol.Status.UNRESOLVED)
    failed.filter(~is_unresolved, due_at__gt=now).update(due_at=now)
    refused = SyncItem.objects.filter(whole, is_unresolved, state=SyncItem.State.ERROR, due_at=None)
    found = (open_items.filter(state=SyncItem.State.PENDING), failed, refused.filter(finished_at__gt=now - REFUSED_FOR))
    return {series for items in found for series in items.order_by().values_list("symbol", "interval")}


def fetch_again(symbol_code: str, found_at: datetime | None = None) -> SyncRun | None:
    """Order a run that compares every bar of the provider's window, over a symbol's series whose split was found.

    Left out are those that are compared so anyway, or were since the split was ``found_at`` (None: now) or since the
    run that it was first found for: the others find it in their turn. None if nothing is left. Raises UnknownSymbol.
    """
    symbol = Symbol.objects.with_code(symbol_code)
    if symbol.status == Symbol.Status.RETIRED:
        return None
    known = _compared(symbol, found_at or timezone.now())
    series = [(symbol, interval) for interval in Interval if interval.value not in known]
    if not series:
        return None
    order = runs.Order(series=series, missing_only=False, kind=SyncRun.Kind.HEALING, priority=SyncRun.Priority.SOON)
    run, _ = runs.start(order)
    log.info("fetched_again", symbol=symbol_code, run=run.pk, reason="a split was found")
    return run


def _compared(symbol: Symbol, since: datetime) -> set[str]:
    whole = SyncItem.objects.filter(symbol=symbol, run__missing_only=False, run__start=None, run__end=None)
    unfinished = Q(run__state__in=SyncRun.UNFINISHED)
    first = whole.filter(unfinished, run__kind=SyncRun.Kind.HEALING).aggregate(at=Min("run__created_at"))["at"]
    ended = Q(state__in=_ANSWERED, finished_at__gte=min(since, first or since))
    found = whole.filter(ended | Q(unfinished, due_at__isnull=False))
    return set(found.order_by().values_list("interval", flat=True))

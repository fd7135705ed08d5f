"""A symbol's whole history once more: its provider tells it on another scale than before."""

from __future__ import annotations

import structlog

from domain.interval import Interval
from marketdata import runs
from marketdata.models import SyncItem, SyncRun
from symbols.models import Symbol

log = structlog.get_logger(__name__)


def fetch_again(symbol_code: str) -> SyncRun | None:
    """Order a run over all of a symbol's series that compares every bar of the provider's window.

    None if one is under way: what found the split in the first series will find it in the others. Raises UnknownSymbol.
    """
    symbol = Symbol.objects.with_code(symbol_code)
    under_way = SyncItem.objects.filter(
        symbol=symbol, run__state__in=SyncRun.UNFINISHED, run__missing_only=False, run__start=None, run__end=None
    )
    if symbol.status == Symbol.Status.RETIRED or under_way.exists():
        return None
    run, _ = runs.start(
        runs.Order(
            series=[(symbol, interval) for interval in Interval],
            missing_only=False,
            kind=SyncRun.Kind.HEALING,
            priority=SyncRun.Priority.SOON,
        )
    )
    log.info("fetched_again", symbol=symbol_code, run=run.pk, reason="a split was found")
    return run

"""One item, in a thread of its own: lease, plan, ask, store. No SQL here but to resolve a symbol."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog
from django.db import connection
from pymongo.database import Database

from domain.errors import LeaseLost, ProviderUnavailable, SeriesBusy, StoreUnavailable
from domain.interval import Interval
from marketdata import series
from marketdata.budget import Budget
from marketdata.leases import Lease, Leases, holder
from marketdata.models import SyncItem, SyncRun
from marketdata.mongo import Document
from marketdata.runs_outcomes import Outcome
from marketdata.services import SeriesSync
from providers.base import Provider
from symbols.models import Symbol
from symbols.services import resolve_symbol

_BUSY_AGAIN = timedelta(seconds=2)
STORE_AGAIN = timedelta(seconds=5)

log = structlog.get_logger(__name__)


class ItemWork:
    """The work on one claimed item. ``stop`` may be called from any thread; the page in hand is finished."""

    def __init__(
        self,
        item: SyncItem,
        *,
        provider: Provider,
        database: Database[Document],
        budget: Budget,
        owner: str,
        until: Callable[[], float],
    ) -> None:
        """``until``: seconds that are left of the chunk."""
        self.item = item
        self.lease: Lease | None = None
        self._provider, self._database, self._budget = provider, database, budget
        self._leases = Leases(database)
        self._owner, self._seconds_left = holder(owner, item.pk), until
        self._stopped = threading.Event()
        self._again_at: datetime | None = None
        self._why = ""

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> Outcome:
        """Never raises: errors are outcomes."""
        begun = time.perf_counter()
        try:
            outcome = self._run()
        except StoreUnavailable as error:  # LeaseLost too: not the series' fault, so it does not count as its failure
            again = _BUSY_AGAIN if isinstance(error, LeaseLost | SeriesBusy) else STORE_AGAIN
            outcome = Outcome(item=self.item, again_at=_now() + again, why=str(error))
        except Exception as error:
            log.warning("sync_failed", symbol=self.item.symbol.code, interval=self.item.interval, reason=str(error))
            outcome = Outcome(item=self.item, error=error)
        return replace(outcome, seconds=time.perf_counter() - begun)

    # What a running sync asks of us

    @property
    def fence(self) -> int | None:
        return self.lease.token if self.lease else None

    def ask(self, pages: int) -> bool:
        """Wait for the provider's budget as long as the chunk lasts."""
        is_bulk = self.item.priority >= SyncRun.Priority.BULK
        while not self._stopped.is_set() and self._seconds_left() > 0:
            wait = self._budget.take(self._provider.name, pages, is_bulk=is_bulk)
            if wait == 0.0:
                return True
            if wait >= self._seconds_left():
                self._again_at, self._why = _now() + timedelta(seconds=wait), "waits for the provider's budget"
                return False
            self._stopped.wait(wait)
        return False

    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    def _run(self) -> Outcome:
        item = self.item
        if item.symbol.status == Symbol.Status.RETIRED:
            return Outcome(item=item, is_cancelled=True, why="the symbol is retired")
        self._resolve()
        instrument, interval = item.symbol.instrument(), Interval(item.interval)
        self.lease = self._leases.acquire(series.identity(instrument, interval), self._owner)
        if self.lease is None:
            return Outcome(item=item, again_at=_now() + _BUSY_AGAIN, why="another sync of this series is under way")
        try:
            sync = SeriesSync(
                instrument=instrument, interval=interval, provider=self._provider, database=self._database
            )
            run = item.run
            start = run.start if run.missing_only else item.resume_from or run.start
            plan = sync.plan(start, run.end, missing_only=run.missing_only)
            result = sync.run(plan, self)
        finally:
            self._leases.release(self.lease)
        return Outcome(
            item=item, planned_bars=plan.bars, result=result, again_at=self._again_at, why=self._why or result.reason
        )

    def _resolve(self) -> None:
        """Ask what the symbol is, if it was registered offline or while its provider was away."""
        if self.item.symbol.status != Symbol.Status.ACTIVE:
            try:
                if not resolve_symbol(symbol=self.item.symbol, provider=self._provider):
                    raise ProviderUnavailable(self.item.symbol.status_reason)
            finally:
                connection.close()  # this thread's own


def _now() -> datetime:
    return datetime.now(UTC)

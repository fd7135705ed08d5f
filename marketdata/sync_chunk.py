"""A chunk of work: a few seconds, one provider connection, several series at once. All SQL is spoken by one thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

import structlog
from django.utils import timezone

from domain.errors import InvalidRequest, ProviderUnavailable, StoreUnavailable
from domain.interval import Interval
from marketdata import runs_claims, runs_outcomes
from marketdata.budget import budget
from marketdata.leases import Leases
from marketdata.models import SyncRun
from marketdata.mongo import database
from marketdata.runs_outcomes import Outcome
from marketdata.services import tell
from marketdata.sync_item import STORE_AGAIN, ItemWork
from marketdata.sync_pace import MOST_AT_ONCE, Pace
from marketdata.sync_times import CHUNK_SECONDS, PATIENCE_SECONDS
from providers.base import Provider
from symbols.sources import opened_provider

_BEAT_SECONDS = 3.0
_LOOK_SECONDS = 0.25

log = structlog.get_logger(__name__)


class Chunk:
    """Works on a provider's items, the most urgent first, until its time is up or nothing waits.

    ``run_id``: only on those of this run, which is in the foreground. ``beat`` is called every few seconds to show
    that we live; ``settled`` with each outcome and the item's new state.
    """

    def __init__(
        self,
        provider: str,
        owner: str,
        *,
        run_id: int | None = None,
        seconds: float = CHUNK_SECONDS,
        beat: Callable[[], object] = lambda: None,
        settled: Callable[[Outcome, str], object] = lambda outcome, state: None,
    ) -> None:
        self._provider, self._owner, self._run_id = provider, owner, run_id
        self._ends = time.monotonic() + seconds
        self._beat, self._settled = beat, settled
        self._working: dict[Future[Outcome], ItemWork] = {}
        self._next_beat = time.monotonic() + _BEAT_SECONDS
        self._touched: set[int] = set()
        self._is_stopping = False

    def run(self) -> int:
        """Returns how many pieces of work ended. Raises StoreUnavailable if MongoDB was never reached by this process;
        a few items say so.
        """
        try:
            leases = Leases(database())
        except StoreUnavailable as error:
            self._settle_all(MOST_AT_ONCE, again_at=timezone.now() + STORE_AGAIN, why=str(error))
            raise
        pace = Pace(self._provider, timezone.now())
        count = 0
        try:
            with opened_provider(self._provider) as provider, ThreadPoolExecutor(MOST_AT_ONCE) as pool:
                try:
                    while self._start(pool, provider, pace) or self._working:
                        count += self._collect(pace)
                        self._show_life(provider, leases, pace)
                finally:
                    self.stop()
        except InvalidRequest as error:  # there is no such provider: none of its items can be done
            count += self._settle_all(1_000, error=error)
        pace.learn()
        self._close_runs()
        return count

    def stop(self) -> None:
        """Start nothing more, and finish the pages in hand."""
        self._is_stopping = True
        for work in list(self._working.values()):
            work.stop()

    def _seconds_left(self) -> float:
        return self._ends - time.monotonic()

    def _start(self, pool: ThreadPoolExecutor, provider: Provider, pace: Pace) -> bool:
        """Take up as much as the pace allows; whether that was anything."""
        room = pace.at_once - len(self._working)
        if self._is_stopping or self._seconds_left() <= 0 or room <= 0:
            return False
        items = runs_claims.claim(self._provider, room, self._owner, timezone.now(), run_id=self._run_id)
        for item in items:
            work = ItemWork(
                item,
                provider=provider,
                database=database(),
                budget=budget(),
                owner=self._owner,
                until=self._seconds_left,
            )
            self._working[pool.submit(work.run)] = work
        return bool(items)

    def _collect(self, pace: Pace) -> int:
        """Write down what has ended since we looked last."""
        done, _ = wait(self._working, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            work = self._working.pop(future)
            self._settle(future.result(), work, pace)
        return len(done)

    def _settle(self, outcome: Outcome, work: ItemWork, pace: Pace) -> None:
        item, now = outcome.item, timezone.now()
        if isinstance(outcome.error, ProviderUnavailable):
            pace.refused(outcome.error, now)
        elif outcome.result is not None:
            pace.answered()
        is_whole = outcome.result is not None and outcome.result.resume_from is None
        if work.is_stopped() and not is_whole and _is_cancelled(item.run_id):
            outcome = replace(outcome, is_cancelled=True, error=None, why="cancelled")
        state = runs_outcomes.settle(outcome, now)
        self._touched.add(item.run_id)
        if outcome.result is not None:
            tell(item.symbol.instrument(), Interval(item.interval), outcome.result)
        self._settled(outcome, state)

    def _show_life(self, provider: Provider, leases: Leases, pace: Pace) -> None:
        """Every few seconds: keep what we hold, and see whether it is still wanted."""
        if time.monotonic() < self._next_beat:
            return
        self._next_beat = time.monotonic() + _BEAT_SECONDS
        now, works = timezone.now(), list(self._working.values())
        self._beat()
        runs_claims.keep([work.item for work in works], self._owner, now)
        try:
            leases.renew([work.lease for work in works if work.lease])
        except StoreUnavailable as error:  # each work finds out for itself, and what it writes is checked
            log.info("leases_not_renewed", provider=self._provider, reason=str(error))
        stopped = runs_claims.stopped_runs([work.item for work in works])
        for work in works:
            if work.item.run_id in stopped:
                work.stop()
        pace.look(now)
        if self._seconds_left() < -PATIENCE_SECONDS:
            log.warning("sync_hangs", provider=self._provider, series=len(works))
            provider.close()

    def _settle_all(self, most: int, **outcome: Any) -> int:
        """The same becomes of whatever could be taken up, ``most`` at most; how many that is."""
        items = runs_claims.claim(self._provider, most, self._owner, timezone.now(), run_id=self._run_id)
        for item in items:
            runs_outcomes.settle(Outcome(item=item, **outcome), timezone.now())
            self._touched.add(item.run_id)
        return len(items)

    def _close_runs(self) -> None:
        for run in SyncRun.objects.filter(pk__in=self._touched, state=SyncRun.State.RUNNING):
            runs_outcomes.close(run, timezone.now())


def _is_cancelled(run_id: int) -> bool:
    return SyncRun.objects.filter(pk=run_id, state=SyncRun.State.CANCELLED).exists()

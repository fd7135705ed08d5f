"""A run worked on by the process that ordered it, until nothing is left that could be done now."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from django.utils import timezone

from domain.errors import ProviderUnavailable
from marketdata import runs_outcomes
from marketdata.models import ProviderPace, SyncItem, SyncRun
from marketdata.runs_outcomes import Outcome
from marketdata.sync_chunk import Chunk

_LONGEST_WAIT_SECONDS = 60.0

Settled = Callable[[Outcome, str], object]
Waiting = Callable[[str], object]


class ForegroundRun:
    """``work`` returns when each series has ended or failed once; ``stop`` (from a signal handler) ends it early.

    ``waiting`` is told in words, once, of each pause that a provider is left alone for.
    """

    def __init__(self, run: SyncRun, *, settled: Settled, waiting: Waiting = lambda words: None) -> None:
        self._run, self._tell, self._tell_waiting = run, settled, waiting
        self._told = ""
        self._stopped = threading.Event()
        self._chunk: Chunk | None = None
        self._unreachable: ProviderUnavailable | None = None
        self._answers = 0

    def stop(self) -> None:
        """Finish the pages in hand."""
        self._stopped.set()
        if self._chunk is not None:
            self._chunk.stop()

    @property
    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    def work(self) -> None:
        """Raises StoreUnavailable."""
        items = SyncItem.objects.filter(run=self._run)
        for provider in sorted(set(items.order_by().values_list("provider", flat=True).distinct())):
            self._unreachable, self._answers = None, 0
            while not self.is_stopped and self._chunk_of(provider):
                pass
        if not self.is_stopped:
            # Somebody waits for the answer: what failed is not tried again behind their back.
            items.filter(state=SyncItem.State.ERROR).update(due_at=None)
            runs_outcomes.close(self._run, timezone.now())
        self._run.refresh_from_db()

    def _chunk_of(self, provider: str) -> bool:
        """Work until nothing of this provider is due; whether something will be."""
        self._chunk = Chunk(provider, self._run.owner, run_id=self._run.pk, seconds=math.inf, settled=self._settled)
        if self.is_stopped:  # before there was a chunk to tell
            return False
        self._chunk.run()
        waiting = SyncItem.objects.filter(run=self._run, provider=provider, state=SyncItem.State.PENDING)
        first = waiting.order_by("due_at").first()
        if first is None or first.due_at is None:
            return False
        if self._unreachable is not None and not self._answers:
            self._give_up(list(waiting.select_related("symbol")), self._unreachable)
            return False
        self._say_pause(provider)
        self._stopped.wait(min((first.due_at - timezone.now()).total_seconds(), _LONGEST_WAIT_SECONDS))
        return True

    def _say_pause(self, provider: str) -> None:
        pace = ProviderPace.objects.filter(provider=provider, paused_until__gt=timezone.now()).first()
        words = f"{provider} is left alone until {pace.paused_until:%H:%M:%S} UTC: {pace.reason}" if pace else ""
        if words not in ("", self._told):
            self._told = words
            self._tell_waiting(words)

    def _settled(self, outcome: Outcome, state: str) -> None:
        if outcome.result is not None:
            self._answers += 1
        if isinstance(outcome.error, ProviderUnavailable) and outcome.error.retry_after_seconds is None:
            self._unreachable = outcome.error
        self._tell(outcome, state)

    def _give_up(self, items: list[SyncItem], error: ProviderUnavailable) -> None:
        """The provider does not answer at all: no series of it needs to be tried to know that."""
        now = timezone.now()
        for item in items:
            SyncItem.objects.filter(pk=item.pk, state=SyncItem.State.PENDING).update(
                state=SyncItem.State.ERROR, due_at=None, finished_at=now, reason=str(error)[:300]
            )
            self._tell(Outcome(item=item, error=error), SyncItem.State.ERROR)

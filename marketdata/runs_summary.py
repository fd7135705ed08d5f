"""How far runs have come, counted over their items."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Min, Q, Sum

from marketdata.models import SyncItem

_SUMS = ("inserted", "replaced", "unchanged", "missing", "requests", "seconds")


@dataclass(slots=True)
class Progress:
    """Items by state, and sums of their counts in bars; ``seconds`` of work. ``next_try_at``: of those that failed."""

    items: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SyncItem.State.values, 0))
    inserted: int = 0
    replaced: int = 0
    unchanged: int = 0
    missing: int = 0
    requests: int = 0
    set_aside: int = 0
    seconds: float = 0.0
    next_try_at: datetime | None = None

    @property
    def total(self) -> int:
        return sum(self.items.values())

    @property
    def done(self) -> int:
        """Items about which nothing more will happen by itself."""
        ended = sum(self.items[state] for state in SyncItem.ENDED)
        return ended + self.set_aside


def progress_of(run_ids: Iterable[int]) -> dict[int, Progress]:
    """For each of these runs."""
    found = {pk: Progress() for pk in run_ids}
    items = SyncItem.objects.filter(run__in=list(found)).order_by()
    rows = items.values_list("run", "state").annotate(
        count=Count("id"),
        set_aside=Count("id", filter=Q(state=SyncItem.State.ERROR, due_at=None)),
        next_try_at=Min("due_at", filter=Q(state=SyncItem.State.ERROR)),
        **{name: Sum(name) for name in _SUMS},
    )
    for run, state, count, set_aside, next_try_at, *sums in rows:
        progress = found[run]
        progress.items[state] = count
        for name, value in zip(_SUMS, sums, strict=True):
            setattr(progress, name, getattr(progress, name) + value)
        progress.set_aside += set_aside
        progress.next_try_at = next_try_at or progress.next_try_at
    return found

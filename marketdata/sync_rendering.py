"""Runs and plans as the API and commands show them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from marketdata.documents import instant
from marketdata.models import SyncRun
from marketdata.plan import SeriesPlan
from marketdata.runs_summary import Progress

MOST_HOLES = 100
# Estimates before that are guesses.
_ESTIMATE_AFTER_SECONDS = 3.0


def run_values(run: SyncRun, progress: Progress, url: str) -> dict[str, Any]:
    """A run with what came of it so far."""
    elapsed = _elapsed(run)
    bars = progress.inserted + progress.replaced + progress.unchanged
    return {
        "id": run.pk,
        "url": url,
        "state": run.state,
        "kind": run.kind,
        "start": run.start,
        "end": run.end,
        "missing_only": run.missing_only,
        "requested_by": run.requested_by.get_username() if run.requested_by else None,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "reason": run.reason,
        "series": progress.total,
        "done": progress.done,
        "items_by_state": progress.items,
        "inserted": progress.inserted,
        "replaced": progress.replaced,
        "unchanged": progress.unchanged,
        "missing": progress.missing,
        "requests": progress.requests,
        "bars_per_second": round(bars / elapsed, 1) if elapsed and bars else None,
        "seconds_left": _seconds_left(run, progress, elapsed),
        "next_try_at": progress.next_try_at,
    }


def _elapsed(run: SyncRun) -> float:
    if run.started_at is None:
        return 0.0
    return max(((run.finished_at or timezone.now()) - run.started_at).total_seconds(), 0.0)


def _seconds_left(run: SyncRun, progress: Progress, elapsed: float) -> float | None:
    if run.is_finished:
        return 0.0
    if run.state == SyncRun.State.PAUSED or elapsed < _ESTIMATE_AFTER_SECONDS or not progress.done:
        return None
    return round(elapsed / progress.done * (progress.total - progress.done), 1)


def plan_values(plan: SeriesPlan) -> dict[str, Any]:
    """The plan of one series; of its holes the first hundred."""
    return {
        "symbol": plan.instrument.symbol,
        "interval": plan.interval.value,
        "requests": [
            {"start": request.start, "end": request.end, "bars": request.bars, "pages": request.pages}
            for request in plan.requests
        ],
        "bars": plan.bars,
        "pages": plan.pages,
        "holes": [
            {
                "start": instant(hole.start),
                "end": instant(hole.end),
                "bars": hole.bars,
                "reason": hole.reason.value,
                "recoverable_until": hole.recoverable_until,
            }
            for hole in plan.holes[:MOST_HOLES]
        ],
        "holes_omitted": max(0, len(plan.holes) - MOST_HOLES),
        "truncated_before": plan.truncated_before,
        "reason": plan.reason,
    }

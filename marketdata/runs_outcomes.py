"""What becomes of an item, and of its run, when a piece of work has ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F

from domain.errors import PocketQuantError, ProtocolError, ProviderUnavailable, StoreUnavailable
from marketdata.models import SyncItem, SyncRun
from marketdata.sync_results import SyncResult

MOST_FAILURES = 8  # in a row; after these a series is set aside until somebody asks for it anew
_FIRST_RETRY, _LAST_RETRY = timedelta(seconds=15), timedelta(hours=1)

State = SyncItem.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A piece of work on an item: ``result`` or ``error``, or neither and ``again_at``, when to go on, and ``why``."""

    item: SyncItem
    seconds: float = 0.0
    planned_bars: int = 0
    result: SyncResult | None = None
    error: Exception | None = None
    again_at: datetime | None = None
    why: str = ""
    is_cancelled: bool = False


def settle(outcome: Outcome, now: datetime) -> str:
    """Write down what came of it; the item's new state. Empty if it had gone to another worker meanwhile."""
    values = _counts(outcome) | _verdict(outcome, now)
    item = outcome.item
    held = SyncItem.objects.filter(pk=item.pk, owner=item.owner, state=State.SYNCING)
    changed = held.update(owner="", seconds=F("seconds") + outcome.seconds, **values)
    return str(values["state"]) if changed else ""


def _verdict(outcome: Outcome, now: datetime) -> dict[str, Any]:
    if outcome.error is not None:
        return _failed(outcome.item, outcome.error, now)
    if outcome.is_cancelled:
        return {"state": State.CANCELLED, "due_at": None, "finished_at": now, "reason": outcome.why[:300]}
    result = outcome.result
    if result is None or result.resume_from is not None:
        resume = {"resume_from": result.resume_from} if result else {}
        return {"state": State.PENDING, "due_at": outcome.again_at or now, "reason": outcome.why[:300]} | resume
    ended = {"due_at": None, "finished_at": now, "failures": 0, "resume_from": None, "missing": result.missing}
    if result.missing:
        bars = "1 bar is" if result.missing == 1 else f"{result.missing:,} bars are"
        return ended | {"state": State.PARTIAL, "reason": f"{bars} still missing"}
    changed = outcome.item.inserted + outcome.item.replaced + result.inserted + result.replaced
    return ended | {"state": State.COMPLETED if changed else State.UP_TO_DATE, "reason": result.reason[:300]}


def _failed(item: SyncItem, error: Exception, now: datetime) -> dict[str, Any]:
    """Tried again later, ever more rarely, unless that would not help."""
    failures = item.failures + 1
    is_defect = not isinstance(error, PocketQuantError)  # of ours; it may depend on the data of the moment
    words = f"{type(error).__name__}: {error}" if is_defect else str(error)
    # What could not be read may have been damaged on its way.
    helps = is_defect or isinstance(error, ProviderUnavailable | ProtocolError | StoreUnavailable)
    due_at = None
    if helps and failures < MOST_FAILURES:
        due_at = now + min(_LAST_RETRY, _FIRST_RETRY * 2 ** min(failures - 1, 10))
    elif helps:
        words = f"set aside after {failures} failures in a row: {words}"
    return {"state": State.ERROR, "due_at": due_at, "finished_at": now, "failures": failures, "reason": words[:300]}


def _counts(outcome: Outcome) -> dict[str, Any]:
    """The counts of an item with those of one more piece of work."""
    item, result = outcome.item, outcome.result
    if result is None:
        return {}
    return {
        "planned_bars": item.planned_bars + outcome.planned_bars,
        "inserted": item.inserted + result.inserted,
        "replaced": item.replaced + result.replaced,
        "unchanged": item.unchanged + result.unchanged,
        "requests": item.requests + result.pages,
        "truncated_before": result.truncated_before or item.truncated_before,
    }


def close_finished(now: datetime) -> list[int]:
    """End the runs of which no item is open any more; their ids."""
    running = SyncRun.objects.filter(state=SyncRun.State.RUNNING)
    done = list(running.exclude(id__in=SyncItem.objects.open().values("run")))
    return [run.pk for run in done if close(run, now)]


def close(run: SyncRun, now: datetime) -> bool:
    """End a run by what became of its items, if none is open."""
    states = set(run.items.order_by().values_list("state", flat=True).distinct())
    cancelled = {"reason": _cancelled(run)} if State.CANCELLED in states else {}
    if states == {State.CANCELLED}:
        state = SyncRun.State.CANCELLED
    elif states == {State.ERROR}:
        state = SyncRun.State.FAILED
    elif states & {State.ERROR, State.PARTIAL, State.CANCELLED}:
        state = SyncRun.State.PARTIAL
    else:
        state = SyncRun.State.COMPLETED
    running = SyncRun.objects.filter(pk=run.pk, state=SyncRun.State.RUNNING)
    still = running.exclude(pk__in=SyncItem.objects.open().filter(run=run).values("run"))
    return still.update(state=state, finished_at=now, owner="", **cancelled) == 1


def _cancelled(run: SyncRun) -> str:
    """Series may be taken out of a run: their symbols are retired."""
    reasons = list(run.items.filter(state=State.CANCELLED).order_by("id").values_list("reason", flat=True))
    return f"{len(reasons):,} series cancelled: {reasons[0]}"[:300]

"""Sync runs as pages show them: of what, by whom, how far. ``static/js/runs.js`` says the same in the browser, with
the same cases in its tests (``tests/web/run_cases.json``)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Case, Count, F, Min, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from domain.interval import Interval
from marketdata.models import ProviderPace, SyncItem, SyncRun
from marketdata.runs_summary import Progress
from marketdata.sync_rendering import run_values
from web.intervals import interval_choice
from web.templatetags.figures import NO_BREAK_SPACE, duration, whole

# What needs somebody's eye comes first.
_URGENT = (SyncItem.State.ERROR, SyncItem.State.SYNCING, SyncItem.State.PARTIAL, SyncItem.State.PENDING)
BY_URGENCY = (
    Case(*(When(state=state, then=Value(place)) for place, state in enumerate(_URGENT)), default=Value(len(_URGENT))),
    "position",
    "id",
)
STATE_WORDS = {
    SyncItem.State.ERROR: gettext_lazy("Failed"),
    SyncItem.State.SYNCING: gettext_lazy("Running"),
    SyncItem.State.PARTIAL: gettext_lazy("Not whole"),
    SyncItem.State.PENDING: gettext_lazy("Waiting"),
    SyncItem.State.COMPLETED: gettext_lazy("Done"),
    SyncItem.State.UP_TO_DATE: gettext_lazy("Up to date"),
    SyncItem.State.CANCELLED: gettext_lazy("Cancelled"),
}
_RUN_WORDS = {
    SyncRun.State.RUNNING: gettext_lazy("Running"),
    SyncRun.State.PAUSED: gettext_lazy("Paused"),
    SyncRun.State.COMPLETED: gettext_lazy("Done"),
    SyncRun.State.PARTIAL: gettext_lazy("Not whole"),
    SyncRun.State.FAILED: gettext_lazy("Failed"),
    SyncRun.State.CANCELLED: gettext_lazy("Cancelled"),
}
_KIND_WORDS = {
    SyncRun.Kind.MANUAL: gettext_lazy("asked for"),
    SyncRun.Kind.FIRST: gettext_lazy("first sync"),
    SyncRun.Kind.HEALING: gettext_lazy("healing"),
    SyncRun.Kind.SCHEDULE: gettext_lazy("by schedule"),
    SyncRun.Kind.RECONCILE: gettext_lazy("reconciling"),
}


class StateFilter(NamedTuple):
    """Items of a run in one state (all of them: ""), and whether they are those that are shown."""

    state: str
    words: str
    series: int
    is_chosen: bool


def run_row(run: SyncRun, progress: Progress) -> dict[str, Any]:
    """What a row, a card and a page show of a run; shares are in percent of its series."""
    values = run_values(run, progress, "")
    is_waiting = run.state == SyncRun.State.RUNNING and run.started_at is None
    return (
        values
        | bar_of(values)
        | {
            "facts": facts_of(values),
            "failed": progress.items[SyncItem.State.ERROR],
            "is_finished": run.is_finished,
            "words": _("Waiting") if is_waiting else _RUN_WORDS[SyncRun.State(run.state)],
            "origin": _origin(run, values["requested_by"]),
            "outcome": run.reason or _outcome(values),
        }
    )


def _outcome(values: Mapping[str, Any]) -> str:
    """What came of a run that has ended, beside its new bars."""
    facts, replaced = facts_of(values), values["replaced"]
    told = [facts["failed"], facts["partial"]]
    if replaced:
        words = ngettext("%(bars)s bar confirmed or corrected", "%(bars)s bars confirmed or corrected", replaced)
        told.append(words % {"bars": whole(replaced)})
    return ", ".join(filter(None, told)) if values["finished_at"] else ""


def _origin(run: SyncRun, who: str | None) -> str:
    words = str(_KIND_WORDS[SyncRun.Kind(run.kind)])
    if run.kind == SyncRun.Kind.SCHEDULE and run.fingerprint:
        return f"{words}: {run.fingerprint}"
    return _("%(words)s by %(who)s") % {"words": words, "who": who} if who else words


def bar_of(run: Mapping[str, Any]) -> dict[str, float]:
    """Where the parts of a run's bar begin and how wide they are, in percent; ``run`` as the API tells it."""
    states, total = run["items_by_state"], run["series"] or 1
    done = 100 * (states["completed"] + states["partial"]) / total
    same = 100 * states["up_to_date"] / total
    failed = 100 * states["error"] / total
    return {"done_share": done, "same_share": same, "failed_from": done + same, "failed_share": failed}


def facts_of(run: Mapping[str, Any]) -> dict[str, str]:
    """The line below the bar, part by part; what there is nothing to say of is empty. ``run`` as the API tells it."""
    states, done, total = run["items_by_state"], run["done"], run["series"]
    rate, left = run["bars_per_second"], run["seconds_left"]
    is_over = run["finished_at"] is not None
    return {
        "percent": f"{100 if done == total else 100 * done // total}{NO_BREAK_SPACE}%",
        "of": f"{whole(done)} of {whole(total)} series",
        "inserted": f"{whole(run['inserted'])} new bars",
        "rate": f"{whole(round(rate))} bars/s" if rate else "",
        "left": "" if is_over or run["state"] == "paused" else f"about {duration(left)} left" if left else "",
        "failed": f"{whole(states['error'])} failed" if states["error"] else "",
        "partial": f"{whole(states['partial'])} not whole" if states["partial"] else "",
        "same": f"{whole(states['up_to_date'])} up to date" if states["up_to_date"] else "",
    }


def run_title(run: SyncRun) -> str:
    """``DEMO:BTCUSD · 1h``, ``13 symbols · 1D``: what it is about."""
    found = run.items.order_by().aggregate(
        symbols=Count("symbol", distinct=True),
        symbol=Min("symbol__code"),
        intervals=Count("interval", distinct=True),
        interval=Min("interval"),
    )
    if not found["symbols"]:
        return _("Nothing")
    many = ngettext("%(count)d symbol", "%(count)d symbols", found["symbols"]) % {"count": found["symbols"]}
    spans = ngettext("%(count)d interval", "%(count)d intervals", found["intervals"]) % {"count": found["intervals"]}
    one = interval_choice(Interval.parse(found["interval"])).label
    return f"{found['symbol'] if found['symbols'] == 1 else many} · {one if found['intervals'] == 1 else spans}"


class Trouble(NamedTuple):
    """Of a run's failed series the one that is tried again first; ``next_try`` None: none is, by itself."""

    item: SyncItem
    next_try: datetime | None


def trouble_of(run: SyncRun) -> Trouble | None:
    """None if nothing failed."""
    failed = run.items.filter(state=SyncItem.State.ERROR).select_related("symbol")
    item = failed.order_by(F("due_at").asc(nulls_last=True), "position", "id").first()
    if item is None:
        return None
    if item.due_at is None:
        return Trouble(item, None)
    pace = ProviderPace.objects.filter(provider=item.provider, paused_until__gt=item.due_at).first()
    return Trouble(item, (pace and pace.paused_until) or item.due_at)


def paused_now() -> list[ProviderPace]:
    """Providers that are left alone for now, as they did not answer or limit us, while something is wanted of them."""
    now = timezone.now()
    wanted = SyncItem.objects.open().filter(run__state=SyncRun.State.RUNNING).order_by().values("provider")
    return list(ProviderPace.objects.filter(paused_until__gt=now, provider__in=wanted).order_by("provider"))


def state_filters(progress: Progress, chosen: str) -> list[StateFilter]:
    """All items, then the states that some are in (or that was chosen), the urgent ones first."""
    found = [StateFilter("", _("All"), progress.total, not chosen)]
    for state, words in STATE_WORDS.items():
        if (count := progress.items[state]) or state == chosen:
            found.append(StateFilter(state.value, str(words), count, state == chosen))
    return found

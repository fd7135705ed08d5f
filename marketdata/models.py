"""Syncs in SQL: a run, its items (one a series), and what keeps the workers in order."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q

from symbols.models import Symbol


class SyncRunQuerySet(models.QuerySet["SyncRun"]):
    def unfinished(self) -> Self:
        return self.filter(state__in=SyncRun.UNFINISHED)

    def idle(self) -> Self:
        """Those that nobody ordered and that found every series up to date."""
        return self.filter(self._is_idle())

    def not_idle(self) -> Self:
        return self.exclude(self._is_idle())

    @staticmethod
    def _is_idle() -> Q:
        by_itself = (SyncRun.Kind.HEALING, SyncRun.Kind.SCHEDULE, SyncRun.Kind.RECONCILE)
        changed = SyncItem.objects.filter(run=OuterRef("pk")).exclude(state=SyncItem.State.UP_TO_DATE)
        return Q(~Exists(changed), kind__in=by_itself, state=SyncRun.State.COMPLETED)


class SyncRun(models.Model):
    """One order to bring series up to date, from whomever it came.

    ``start`` and ``end`` bound the open times of bars, ``[start, end)``; without a start it is as far back as the
    provider goes, without an end until now. ``missing_only`` asks for holes and unconfirmed bars alone, else the whole
    range is asked for again and compared. ``owner`` is set while one process works on the run by itself, in the
    foreground.
    """

    class Kind(models.TextChoices):
        MANUAL = "manual"  # somebody asked, by page, API or command
        FIRST = "first"  # of a symbol that was just added
        HEALING = "healing"  # a feed had a hole
        SCHEDULE = "schedule"
        RECONCILE = "reconcile"  # bars that a stream closed are compared with history

    class State(models.TextChoices):
        RUNNING = "running"  # `started_at` tells whether a worker has begun
        PAUSED = "paused"
        COMPLETED = "completed"  # every series is verified
        PARTIAL = "partial"  # some series are not whole, or failed
        FAILED = "failed"  # all of them failed
        CANCELLED = "cancelled"

    UNFINISHED: ClassVar = (State.RUNNING, State.PAUSED)

    class Priority(models.IntegerChoices):
        """Of two items that wait, the one with the lower number goes first."""

        HEALING = 0
        SOON = 1  # somebody is looking: a symbol's first sync, a single series
        BULK = 2

    kind = models.CharField(max_length=16, choices=Kind, default=Kind.MANUAL)
    state = models.CharField(max_length=16, choices=State, default=State.RUNNING)
    priority = models.PositiveSmallIntegerField(choices=Priority, default=Priority.BULK)
    start = models.DateTimeField(null=True, blank=True)
    end = models.DateTimeField(null=True, blank=True)
    missing_only = models.BooleanField(default=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="sync_runs"
    )
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001  # null: never equal to another
    fingerprint = models.CharField(max_length=64, blank=True, help_text="of what the key was first used for")
    owner = models.CharField(max_length=120, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = SyncRunQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=("requested_by", "idempotency_key"), name="one_run_an_idempotency_key"),
            # Nobody requested these, and to SQL one nobody is not the other. (Nor are runs of people who were removed.)
            models.UniqueConstraint(
                fields=("idempotency_key",),
                condition=Q(kind__in=("schedule", "reconcile")),
                name="one_run_a_turn_of_a_schedule",
            ),
        )
        indexes = (models.Index(fields=("state", "-id"), name="sync_run_by_state"),)

    def __str__(self) -> str:
        return f"sync {self.pk}: {self.state}"

    @property
    def is_finished(self) -> bool:
        return self.state not in self.UNFINISHED


class SyncItemQuerySet(models.QuerySet["SyncItem"]):
    def open(self) -> Self:
        """Those that somebody works on or will."""
        return self.exclude(due_at=None)

    def claimable(self, provider: str, now: datetime) -> Self:
        """Those that a worker may take up, the most urgent first."""
        return self.filter(
            Q(state=SyncItem.State.PENDING) | Q(state=SyncItem.State.ERROR),
            provider=provider,
            due_at__lte=now,
            run__state=SyncRun.State.RUNNING,
        ).order_by("priority", "position", "id")

    def last_of(self, symbol: Symbol, interval: str) -> SyncItem | None:
        """The last sync of a series that has ended or begun."""
        return self.filter(symbol=symbol, interval=interval, started_at__isnull=False).order_by("-id").first()


class SyncItem(models.Model):
    """One series within a run. Counts are in bars; times aware.

    ``due_at``: from when on a worker may take it up (the next try after an error); while somebody works on it, until
    when that holds; None once nothing will happen any more. An error without it is set aside. ``position`` orders the
    items of a run. ``resume_from``: all before it was done when a time box ended. ``missing``: expected bars that were
    absent when it ended and might yet come.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        SYNCING = "syncing"
        COMPLETED = "completed"  # bars were written, and none is missing that could be had
        UP_TO_DATE = "up_to_date"  # nothing had changed
        PARTIAL = "partial"  # bars are missing; `reason` tells why
        ERROR = "error"
        CANCELLED = "cancelled"

    ENDED: ClassVar = (State.COMPLETED, State.UP_TO_DATE, State.PARTIAL, State.CANCELLED)

    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="items")
    symbol = models.ForeignKey(Symbol, on_delete=models.CASCADE, related_name="sync_items")
    interval = models.CharField(max_length=3)
    provider = models.CharField(max_length=32)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    priority = models.PositiveSmallIntegerField(default=SyncRun.Priority.BULK)
    position = models.BigIntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True)
    owner = models.CharField(max_length=120, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="in a row")
    requests = models.PositiveIntegerField(default=0, help_text="pages asked of the provider")
    planned_bars = models.PositiveIntegerField(default=0)
    inserted = models.PositiveIntegerField(default=0)
    replaced = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    missing = models.PositiveIntegerField(default=0)
    truncated_before = models.DateTimeField(null=True, blank=True, help_text="nothing older can be had")
    reason = models.CharField(max_length=300, blank=True)
    resume_from = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    seconds = models.FloatField(default=0.0, help_text="of work")

    objects = SyncItemQuerySet.as_manager()

    class Meta:
        ordering = ("run", "position", "id")
        constraints = (
            models.UniqueConstraint(fields=("run", "symbol", "interval"), name="one_item_a_series_of_a_run"),
        )
        indexes = (
            models.Index(
                fields=("provider", "priority", "position"), condition=Q(due_at__isnull=False), name="sync_item_open"
            ),
            models.Index(fields=("symbol", "interval", "-id"), name="sync_item_by_series"),
            models.Index(fields=("run", "state"), name="sync_item_by_run"),
        )

    def __str__(self) -> str:
        return f"{self.symbol} {self.interval}: {self.state}"

    @property
    def is_set_aside(self) -> bool:
        return self.state == self.State.ERROR and self.due_at is None


class MadeSchedule(models.Model):
    """A schedule that was made by itself once, and is therefore not made again if somebody deletes it."""

    name = models.CharField(max_length=100, unique=True)
    made_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class ProviderPace(models.Model):
    """How hard a provider may be asked now, learned by all workers together.

    ``concurrency`` series are asked for at once by each chunk of work; until ``paused_until`` none is, which it asked
    for itself if ``is_limited``. ``failures`` counts pauses in a row.
    """

    provider = models.CharField(max_length=32, primary_key=True)
    concurrency = models.PositiveSmallIntegerField(default=4)
    paused_until = models.DateTimeField(null=True, blank=True)
    is_limited = models.BooleanField(default=False)
    failures = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"{self.provider}: {self.concurrency} at once"


class SyncLane(models.Model):
    """A place for one chunk of work at a time: so many lanes, so many chunks of a provider are queued or running.

    ``ticket`` is raised whenever the lane is given to a new task; a task with an older one ends at once. Queued since
    ``queued_at``; once begun, ``owner`` is the process, which shows that it lives at ``beat_at``.
    """

    provider = models.CharField(max_length=32)
    number = models.PositiveSmallIntegerField()
    ticket = models.PositiveBigIntegerField(default=0)
    queued_at = models.DateTimeField(null=True, blank=True)
    owner = models.CharField(max_length=120, blank=True)
    beat_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("provider", "number"), name="one_lane_a_number"),)

    def __str__(self) -> str:
        return f"{self.provider} {self.number}"

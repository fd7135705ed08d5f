"""What was synced, when, and how it ended: one row a series, the state of its latest sync.

Runs over many series (a plan, its items, their gaps) will be rows of their own that point here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models

from symbols.models import Symbol

# A request that no worker took up for so long is lost (its queue was emptied, say) and may be made again.
LOST_AFTER = timedelta(minutes=10)


class SeriesSyncQuerySet(models.QuerySet["SeriesSync"]):
    def claim(self, symbol: Symbol, interval: str, now: datetime) -> bool:
        """Note that a sync of this series is wanted; False if one is waiting already, so that no queue grows."""
        row, created = self.get_or_create(symbol=symbol, interval=interval, defaults={"queued_at": now})
        if created:
            return True
        free = models.Q(queued_at=None) | models.Q(queued_at__lt=now - LOST_AFTER)
        return self.filter(free, pk=row.pk).update(queued_at=now, state=SeriesSync.State.QUEUED) == 1

    def begin(self, symbol: Symbol, interval: str, now: datetime) -> SeriesSync:
        """Note that the work starts; what is asked for from now on is a new request."""
        row, _ = self.update_or_create(
            symbol=symbol,
            interval=interval,
            defaults={"queued_at": None, "started_at": now, "finished_at": None, "state": SeriesSync.State.SYNCING},
        )
        return row


class SeriesSync(models.Model):
    """The latest sync of one series. Counts are in bars; ``failures`` counts those in a row."""

    class State(models.TextChoices):
        QUEUED = "queued"
        SYNCING = "syncing"
        COMPLETED = "completed"  # bars were written
        UP_TO_DATE = "up_to_date"  # nothing had changed
        ERROR = "error"

    symbol = models.ForeignKey(Symbol, on_delete=models.CASCADE, related_name="syncs")
    interval = models.CharField(max_length=2)
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    queued_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    inserted = models.PositiveIntegerField(default=0)
    replaced = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=300, blank=True)

    objects = SeriesSyncQuerySet.as_manager()

    class Meta:
        ordering = ("symbol", "interval")
        constraints = (models.UniqueConstraint(fields=("symbol", "interval"), name="one_sync_a_series"),)

    def __str__(self) -> str:
        return f"{self.symbol} {self.interval}: {self.state}"

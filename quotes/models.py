"""What happened to the feeds: the audit trail."""

from __future__ import annotations

from django.db import models


class FeedEvent(models.Model):
    """Something that happened to a feed. Written by the streamer in batches, read by people, kept for 30 days."""

    class Kind(models.TextChoices):
        CONNECTED = "connected"
        DISCONNECTED = "disconnected"
        SYMBOL_ERROR = "symbol_error"
        DELAYED = "delayed"
        GAP_VOLUME = "gap_volume"
        CORRECTION = "correction"
        GARBAGE = "garbage"
        GAP = "gap"  # ticks of this symbol are known to be missing
        LOST = "lost"  # a closed bar found no room while the store was away
        HEALED = "healed"  # history took the place of what was missing
        NOT_HEALED = "not_healed"
        SPLIT = "split"  # history tells older bars on another scale than before
        STARTED = "started"
        STOPPED = "stopped"

    time = models.DateTimeField(db_index=True)
    provider = models.CharField(max_length=32, blank=True)
    symbol = models.CharField(max_length=80, blank=True, help_text="blank: all symbols of the provider")
    kind = models.CharField(max_length=16, choices=Kind)
    reason = models.CharField(max_length=300, blank=True)
    volume = models.FloatField(default=0.0)

    class Meta:
        ordering = ("-time", "-id")
        indexes = (models.Index(fields=["symbol", "time"], name="quotes_feed_symbol_time"),)

    def __str__(self) -> str:
        return f"{self.time:%Y-%m-%d %H:%M:%S} {self.symbol or self.provider} {self.kind}"

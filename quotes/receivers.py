"""What live does when something happens below it, in whichever process that is."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.utils import timezone

from domain.interval import Interval
from marketdata.signals import bars_synced, split_found
from symbols.models import Symbol

if TYPE_CHECKING:
    from domain.splits import Adjustment


@receiver((post_save, post_delete), sender=Symbol)
def tell_streamer(**kwargs: Any) -> None:
    """The desired state may have changed: the streamer looks at once rather than in a few seconds."""
    transaction.on_commit(_nudge, robust=True)


@receiver(bars_synced)
def tell_browsers(symbol: str, interval: Interval, first: datetime, last: datetime, **kwargs: Any) -> None:
    """Stored bars changed in this process, most likely a worker: browsers that show them fetch again."""
    from asgiref.sync import async_to_sync  # channels and Redis, which few processes need
    from channels.layers import get_channel_layer

    from quotes.cache import RedisError
    from quotes.envelope import Envelope, group_name, shard_of
    from quotes.messages import history_message

    shard = shard_of(symbol)
    text = history_message(symbol, interval.value, first, last)
    body = Envelope(shard, "history", symbol, interval.value, text).body(0, 0)
    with contextlib.suppress(RedisError, OSError):  # without Redis nobody is shown anything live
        async_to_sync(get_channel_layer().group_send)(group_name(shard), body)


@receiver(split_found)
def note_split(symbol: str, interval: Interval, split: Adjustment, **kwargs: Any) -> None:
    """For people who look at what happened to the feeds. Told again after a kill, it is noted once."""
    from marketdata.documents import instant  # with MongoDB's driver
    from quotes.models import FeedEvent

    scale = f"1 to {1 / split.factor:.6g}" if split.factor < 1 else f"{split.factor:.6g} to 1"
    before = "at a moment not known yet" if split.is_open else f"before {instant(split.before):%Y-%m-%d %H:%M} UTC"
    words = f"{interval.value} bars {before} are told on another scale: {scale}"
    known = FeedEvent.objects.filter(symbol=symbol, kind=FeedEvent.Kind.SPLIT, reason=words)
    if not known.exists():
        FeedEvent.objects.create(time=timezone.now(), symbol=symbol, kind=FeedEvent.Kind.SPLIT, reason=words)


def _nudge() -> None:
    from quotes.cache import RedisError
    from quotes.nudges import NUDGE_SYMBOLS, nudge_streamer

    with contextlib.suppress(RedisError, OSError):  # it looks every few seconds anyway
        nudge_streamer(NUDGE_SYMBOLS)

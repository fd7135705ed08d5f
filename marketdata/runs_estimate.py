"""About how long a plan will take: from what the latest syncs took, and from the provider's budget."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from django.conf import settings
from django.db.models import Sum

from marketdata.budget import BULK_SHARE
from marketdata.models import ProviderPace, SyncItem
from marketdata.plan import SeriesPlan

_LOOKED_AT = 200  # items
_FIRST_GUESS_SECONDS = 0.5  # a page, before anything was measured


def estimated_seconds(plans: Iterable[SeriesPlan]) -> float:
    """For all of them as one bulk run, providers being asked at the same time."""
    pages: dict[str, int] = {}
    for plan in plans:
        provider = plan.instrument.provider
        pages[provider] = pages.get(provider, 0) + plan.pages
    return round(max((_of_provider(provider, count) for provider, count in pages.items()), default=0.0), 1)


def _of_provider(provider: str, pages: int) -> float:
    row = ProviderPace.objects.filter(provider=provider).first()
    at_once = (row.concurrency if row else 4) * cast(int, settings.Q_CLUSTER["workers"])
    working = pages * _seconds_a_page(provider) / min(at_once, max(pages, 1))
    per_minute = settings.REQUESTS_PER_MINUTE.get(provider)
    allowed = per_minute * BULK_SHARE if per_minute else 0.0
    # What fits into the first minute's budget need not wait.
    waiting = (pages - allowed) / allowed * 60 if allowed and pages > allowed else 0.0
    return max(working, waiting)


def _seconds_a_page(provider: str) -> float:
    done = SyncItem.objects.filter(provider=provider, requests__gt=0).exclude(finished_at=None).order_by("-id")
    sums = done[:_LOOKED_AT].aggregate(seconds=Sum("seconds"), pages=Sum("requests"))
    return sums["seconds"] / sums["pages"] if sums["pages"] else _FIRST_GUESS_SECONDS

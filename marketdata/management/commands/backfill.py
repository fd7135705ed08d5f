"""What is missing, fetched in the order in which it would be lost."""

from __future__ import annotations

from marketdata import runs
from marketdata.documents import seconds
from marketdata.management.series import MOMENTS, Asked
from marketdata.management.syncing import SyncCommand
from marketdata.models import SyncRun
from marketdata.plan import SeriesPlan
from marketdata.sync_plans import plans

_NEVER = 1 << 40  # epoch seconds


class Command(SyncCommand):
    all_without_symbols = True
    examples = f"""examples:
  manage.py backfill
  manage.py backfill NASDAQ:AAPL --interval 1m --start -5d

Fetches the bars that `manage.py gaps` lists, of all symbols if none is named; those that can be had for the shortest
time come first. Series without gaps are not asked for.
{MOMENTS}
exit code: 0 done (nothing to do as well), 1 failed, 2 wrong use, 3 some series failed or not whole, 130 interrupted.
"""

    def order(self, asked: Asked) -> runs.Order:
        found = zip(asked.series, plans(asked.series, asked.start, asked.end, missing_only=True), strict=True)
        lacking = [(one, _deadline(plan)) for one, plan in found if plan.holes]
        if not lacking:
            self.say("nothing is missing")
        return runs.Order(
            series=[one for one, _ in lacking],
            start=asked.start,
            end=asked.end,
            priority=SyncRun.Priority.SOON,
            positions=[deadline for _, deadline in lacking],
        )


def _deadline(plan: SeriesPlan) -> int:
    """Epoch second at which the first of its holes begins to be lost."""
    return min((seconds(hole.recoverable_until) for hole in plan.holes if hole.recoverable_until), default=_NEVER)

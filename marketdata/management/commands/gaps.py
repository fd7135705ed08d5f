"""What is missing, why, and until when it can be had, in a terminal."""

from __future__ import annotations

import argparse

from marketdata.coverage import Gap, gap_values, gaps
from marketdata.documents import instant
from marketdata.management.series import MOMENTS, Asked, SeriesCommand


class Command(SeriesCommand):
    all_without_symbols = True
    examples = f"""examples:
  manage.py gaps
  manage.py gaps NASDAQ:AAPL --interval 1m --start -5d --verify

What can be had for the shortest time comes first; `manage.py backfill` fetches it in that order. --verify compares the
ledger with the stored bars first, and so finds bars that were deleted by hand.
{MOMENTS}
exit code: 0 done (whether or not there are gaps), 1 failed, 2 wrong use.
"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--verify", action="store_true", help="compare with the stored bars first")

    def run(self, asked: Asked) -> None:
        found = gaps(
            asked.symbols,
            asked.intervals,
            now=self.now,
            start=asked.start,
            end=asked.end,
            verifies=asked.options["verify"],
        )
        if self.json:
            self.print_json(gap_values(gap) for gap in found)
            return
        for gap in found:
            self.stdout.write(_line(gap))
        self.say(
            f"{len(found):,} gaps, {sum(gap.hole.bars for gap in found):,} bars" if found else "nothing is missing"
        )


def _line(gap: Gap) -> str:
    hole = gap.hole
    span = f"{instant(hole.start):%Y-%m-%d %H:%M}"
    if hole.bars > 1:
        span += f" to {instant(hole.end - 1):%Y-%m-%d %H:%M}"
    until = f"; can be had until {hole.recoverable_until:%Y-%m-%d %H:%M}" if hole.recoverable_until else ""
    detail = f" ({hole.detail})" if hole.detail else ""
    name = f"{gap.symbol.code:<24} {gap.interval.value:>3}"
    return f"{name}  {hole.bars:>6,} bars  {span} UTC: {hole.reason.value}{detail}{until}"

"""How complete series are, in a terminal."""

from __future__ import annotations

import argparse

from marketdata.coverage import SeriesCoverage, coverage_values, covered
from marketdata.management.series import MOMENTS, Asked, SeriesCommand


class Command(SeriesCommand):
    all_without_symbols = True
    examples = f"""examples:
  manage.py coverage                            every symbol, all 13 intervals
  manage.py coverage NASDAQ:AAPL --interval 1h --start -90d --verify

The share is of the bars that the exchange's calendar expects and that the provider has; without --start from the
first stored bar on. --verify compares the ledger with the stored bars first and mends it.
{MOMENTS}
exit code: 0 done, 1 failed, 2 wrong use.
"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--verify", action="store_true", help="compare with the stored bars first")

    def run(self, asked: Asked) -> None:
        found = covered(
            asked.symbols,
            asked.intervals,
            now=self.now,
            start=asked.start,
            end=asked.end,
            verifies=asked.options["verify"],
        )
        if self.json:
            self.print_json(coverage_values(each) for each in found)
            return
        for each in found:
            self.stdout.write(_line(each))


def _line(found: SeriesCoverage) -> str:
    name = f"{found.symbol.code:<24} {found.interval.value:>3}"
    coverage = found.coverage
    if found.series is None:
        return f"{name}  never asked for"
    # Cut, not rounded: 100 % is said of what is whole only.
    share = "    –   " if coverage.share is None else f"{int(coverage.share * 10_000) / 100:>6.2f} %"
    words = f"{coverage.stored:,} of {coverage.expected:,}"
    words += f", {coverage.missing:,} missing" if coverage.missing else ""
    words += f", {coverage.empty:,} not at the provider" if coverage.empty else ""
    words += f", {coverage.extra:,} outside the calendar" if coverage.extra else ""
    span = f"{found.series.first:%Y-%m-%d %H:%M} to {found.series.last:%Y-%m-%d %H:%M}" if found.series.count else ""
    return f"{name}  {share}  {words}  {span}".rstrip()

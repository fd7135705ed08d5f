"""What history tells the apps above it."""

from django.dispatch import Signal

# Closed bars of a series changed in the store through a sync: sender="marketdata", symbol="EXCHANGE:TICKER",
# interval=Interval, first and last (aware datetimes): open times of the outermost bars that were looked at.
bars_synced = Signal()

# History tells a series on another scale than before: sender="marketdata", symbol="EXCHANGE:TICKER", interval=Interval,
# split=domain.splits.Adjustment. At least once for each; again where the process ended in the middle.
split_found = Signal()

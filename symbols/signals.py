"""What the registry tells the apps above it."""

from django.dispatch import Signal

# Sent after the commit that registered a symbol: sender=Symbol, symbol="EXCHANGE:TICKER".
symbol_added = Signal()

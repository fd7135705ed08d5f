"""What a market is made of: frozen values and the fold. No Django, no I/O, no clock."""

"""Ours beside peers and bare limits, interleaved in one run; the figures that matter are the ratios."""

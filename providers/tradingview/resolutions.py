"""Their names for our intervals."""

from __future__ import annotations

from domain.interval import Interval

# Hours are written as minutes; case matters: `1M` is a month.
RESOLUTIONS = {
    Interval.M1: "1",
    Interval.M3: "3",
    Interval.M5: "5",
    Interval.M15: "15",
    Interval.M30: "30",
    Interval.M45: "45",
    Interval.H1: "60",
    Interval.H2: "120",
    Interval.H3: "180",
    Interval.H4: "240",
    Interval.D1: "1D",
    Interval.W1: "1W",
    Interval.MN1: "1M",
}

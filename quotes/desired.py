"""What should be streamed: desired state in SQL, and the nudge that says it changed."""

from __future__ import annotations

from typing import NamedTuple

from django.db import close_old_connections

from domain.instrument import Instrument
from symbols.models import Symbol


class Desired(NamedTuple):
    """Whom to follow, and who has to wait, with the reason."""

    instruments: list[Instrument]
    waiting: dict[str, str]


def read_desired() -> Desired:
    """What the registry wants followed now. Blocking. Raises django.db.DatabaseError while SQL is away."""
    close_old_connections()
    instruments: list[Instrument] = []
    waiting: dict[str, str] = {}
    for symbol in Symbol.objects.streaming():
        if symbol.status != Symbol.Status.ACTIVE:
            # Its calendar and lot step are guesses until the provider has told them: bars would be wrong.
            waiting[symbol.code] = symbol.status_reason or "its provider has not told its details yet"
        else:
            instruments.append(symbol.instrument())
    return Desired(instruments, waiting)

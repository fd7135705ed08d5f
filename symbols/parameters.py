"""Query parameters are checked before they are used: an unknown one is refused with the nearest name."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


def unknown_parameters(given: Iterable[str], known: Collection[str]) -> dict[str, list[str]]:
    """What to say of each parameter that is ``given`` but not ``known``, by its name; empty when all are known."""
    problems = {}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
            problems[name] = [f"Unknown parameter; {hint}"]
    return problems

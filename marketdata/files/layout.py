"""Which column of a file holds what: by its usual names, by what the caller says, or not at all."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import InvalidRequest


class TimeIs(StrEnum):
    """Which end of its bar a time names."""

    START = "start"
    END = "end"


PRICES = ("open", "high", "low", "close")
FIELDS = (*PRICES, "volume", "trades", "symbol", "interval", "state", "source", "partial")
_OPTIONAL = FIELDS[4:]
_NAMES = {
    "o": "open", "h": "high", "l": "low", "c": "close", "v": "volume", "vol": "volume", "last": "close",
    "count": "trades", "n": "trades", "trade_count": "trades", "timeframe": "interval",
    **{field: field for field in FIELDS},
}  # fmt: skip
_TIMES = {
    **dict.fromkeys(
        ("time", "open_time", "time_start", "start", "timestamp", "datetime", "ts", "ts_ns", "ts_ms", "date", "day",
         "time_local", "datetime_local", "date_local"), TimeIs.START,
    ),
    **dict.fromkeys(("time_end", "close_time", "end", "time_end_local", "date_end"), TimeIs.END),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """Positions of columns. ``time`` names the bar's start or end as ``time_is`` says; ``is_local``: the header says
    that it is a clock on a wall, without a zone. ``fields`` maps those of ``FIELDS`` that the file has.
    """

    time: int
    time_is: TimeIs
    is_local: bool
    fields: Mapping[str, int]


def find_layout(
    header: Sequence[str],
    *,
    columns: Mapping[str, str] | None = None,
    ignored: Iterable[str] = (),
    price: str | None = None,
    time_is: TimeIs | None = None,
) -> Layout:
    """The layout of a file with this ``header``.

    ``columns``: field -> name in the file, for names that are not usual ones (``time`` is a field here). ``ignored``:
    names to leave aside. ``price``: ``bid`` or ``ask`` where the file has both. Raises InvalidRequest that tells
    everything that is wrong at once.
    """
    finder = _Finder([_plain(name) for name in header], list(header), price)
    for field, name in (columns or {}).items():
        finder.assign(field, name)
    for name in ignored:
        finder.ignore(name)
    finder.guess()
    if finder.problems:
        raise InvalidRequest("; ".join(finder.problems))
    name = finder.names[finder.found["time"]]
    return Layout(
        time=finder.found["time"],
        time_is=time_is or _TIMES.get(name, TimeIs.START),
        is_local=name.endswith("_local"),
        fields={field: place for field, place in finder.found.items() if field != "time"},
    )


class _Finder:
    def __init__(self, names: list[str], written: list[str], price: str | None) -> None:
        self.names, self._written = names, written
        self._prefix = f"{price}_" if price else ""
        self._other = {"bid": "ask_", "ask": "bid_"}.get(price or "", "")
        self.found: dict[str, int] = {}
        self._spoken_for: set[int] = set()
        self.problems: list[str] = []
        if price and not any(name.startswith(self._prefix) for name in names):
            self.problems.append(f"--price {price}: the file has no column {self._prefix}open or the like")
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.problems.append(f"column {name!r} is there {names.count(name)} times")

    def assign(self, field: str, name: str) -> None:
        if field not in (*FIELDS, "time"):
            self.problems.append(f"--column {field}={name}: no such field; one of time, {', '.join(FIELDS)}")
            return
        place = self._place(name, f"--column {field}={name}")
        if place is not None:
            self.found[field] = place
            self._spoken_for.add(place)

    def ignore(self, name: str) -> None:
        place = self._place(name, f"--ignore-column {name}")
        if place is not None:
            self._spoken_for.add(place)

    def _place(self, name: str, told_by: str) -> int | None:
        if _plain(name) in self.names:
            return self.names.index(_plain(name))
        self.problems.append(f"{told_by}: the file has no such column{_nearest(name, self._written)}")
        return None

    def guess(self) -> None:
        """Give the columns that nobody spoke for the meaning that their names have."""
        for place, name in enumerate(self.names):
            if place in self._spoken_for or (self._other and name.startswith(self._other)):
                continue
            field = "time" if name in _TIMES else _NAMES.get(name.removeprefix(self._prefix))
            if field is None:
                self._unknown(place, name)
            elif field in self.found:
                told = self._written[self.found[field]]
                self.problems.append(
                    f"columns {told!r} and {self._written[place]!r} are both {field}: "
                    f"leave one aside with --ignore-column {self._written[place]}"
                )
            else:
                self.found[field] = place
        self._look_for_what_is_missing()

    def _unknown(self, place: int, name: str) -> None:
        if name.startswith(("bid_", "ask_")):
            text = "the file has bid and ask: choose with --price bid or --price ask"
            if text not in self.problems:
                self.problems.append(text)
            return
        written = self._written[place][:40]
        self.problems.append(
            f"unknown column {written!r}{_nearest(name, [*_NAMES, *_TIMES])}: "
            f"--ignore-column {written} leaves it aside, --column FIELD={written} gives it a meaning"
        )

    def _look_for_what_is_missing(self) -> None:
        if self.problems:
            return
        for field in ("time", *PRICES):
            if field not in self.found:
                self.problems.append(f"no column for {field}: name it with --column {field}=NAME")


def _plain(name: str) -> str:
    return re.sub(r"[\s\-]+", "_", name.strip().lstrip("\ufeff")).lower()


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (nearest: {close[0]!r})" if close else ""

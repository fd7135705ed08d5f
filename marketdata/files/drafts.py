"""Rows of a file -> bars, with everything that is wrong told by its line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, NamedTuple

from domain.bar import Bar, BarSource, BarState
from domain.calendars import get_calendar
from domain.errors import InvalidRequest, PocketQuantError
from domain.instrument import Instrument
from domain.interval import Interval
from domain.spans import Window
from marketdata.documents import instant, seconds
from marketdata.files.layout import PRICES, Layout, TimeIs, find_layout
from marketdata.files.tables import Row, opened
from marketdata.files.times import Placer, TimeReader

_NOTHING = ("", None)
_EARLIEST = -9_214_560_000  # 1678-01-01: nanoseconds of 64 bits reach no further back
_YES, _NO = ("true", "1", "yes"), ("false", "0", "no", "")


class Problem(NamedTuple):
    """A row that cannot become a bar. ``line`` counts the header; of a Parquet file it is the row."""

    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How files are to be understood; see ``find_layout``. ``extended``: hours before and after the session count.
    ``now``: bars that close later are still forming.
    """

    now: datetime
    columns: Mapping[str, str] = field(default_factory=dict)
    ignored: Iterable[str] = ()
    price: str | None = None
    time_is: TimeIs | None = None
    zone: tzinfo | None = None
    extended: bool = False


# What a row's symbol and interval columns say (None where there are no such columns) -> the series it belongs to.
FindSeries = Callable[[str | None, str | None], tuple[Instrument, Interval]]


class Draft:
    """The bars of one series that files hold, each with where it stands."""

    def __init__(self, instrument: Instrument, interval: Interval, *, extended: bool) -> None:
        self.instrument, self.interval = instrument, interval
        name = instrument.calendar
        self.calendar = get_calendar(f"{name}/extended" if extended and name not in ("24/7", "forex") else name)
        self._placers: dict[TimeIs, Placer] = {}
        self._places: dict[int, tuple[str, int]] = {}
        self._bars: dict[int, Bar] = {}
        self.lacking: list[int] = []  # epoch seconds of bars whose rows were bad, as well as can be told

    def placer(self, time_is: TimeIs) -> Placer:
        """Finds bars by their times as ``time_is`` says."""
        if time_is not in self._placers:
            self._placers[time_is] = Placer(self.calendar, self.interval, time_is)
        return self._placers[time_is]

    @property
    def unknown(self) -> int:
        """How many bars lie where the calendar does not reach."""
        return sum(placer.unknown for placer in self._placers.values())

    def add(self, bar: Bar, key: int, file: str, line: int) -> None:
        """Raises InvalidRequest if this bar was there before, whatever it says."""
        if key in self._bars:
            before_file, before = self._places[key]
            where = f"line {before}" if before_file == file else f"{before_file}, line {before}"
            raise InvalidRequest(f"the bar of {bar.open_time:%Y-%m-%d %H:%MZ} is there twice: see {where}")
        self._places[key], self._bars[key] = (file, line), bar

    @property
    def bars(self) -> list[Bar]:
        """Ascending."""
        return [self._bars[key] for key in sorted(self._bars)]


class Reader:
    """Reads files one after the other; ``drafts`` and ``problems`` hold what came of all of them."""

    def __init__(self, reading: Reading, find_series: FindSeries) -> None:
        self._reading, self._find_series = reading, find_series
        self._found: dict[tuple[str | None, str | None], Draft] = {}
        self.drafts: dict[tuple[str, Interval], Draft] = {}
        self.problems: list[Problem] = []
        self.rows = 0
        self.remarks: list[str] = []

    def read(self, path: Path) -> None:
        """Take in the file at ``path``. Raises InvalidRequest for columns not understood, UnreadableFile, OSError."""
        reading = self._reading
        with opened(path) as table:
            layout = find_layout(
                table.header,
                columns=reading.columns,
                ignored=reading.ignored,
                price=reading.price,
                time_is=reading.time_is,
            )
            if layout.is_local and reading.zone is None:
                name = table.header[layout.time]
                raise InvalidRequest(f"{name} is a local clock: say whose, for example --time-zone America/New_York")
            if "volume" not in layout.fields:
                self.remarks.append(f"{path}: no volume column, so volumes are 0")
            self._read_rows(str(path), layout, table.rows, len(table.header))

    def _read_rows(self, file: str, layout: Layout, rows: Iterable[Row], width: int) -> None:
        times = TimeReader(self._reading.zone, is_local=layout.is_local)
        following: dict[Draft | None, int] = {}  # what the next row most likely is about
        draft: Draft | None = None
        for row in rows:
            self.rows += 1
            at = following.get(draft)
            try:
                if len(row.values) != width:
                    raise InvalidRequest(f"{len(row.values)} fields where the header has {width}")
                draft = self._draft(row, layout)
                at = following.get(draft)
                moment = times.read(row.values[layout.time])
                at = moment if isinstance(moment, int) else at
                window = draft.placer(layout.time_is).place(moment)
                at, following[draft] = window.start, window.end
                self._check_age(window)
                draft.add(_bar(draft, window, row, layout.fields), window.key, file, row.line)
            except (PocketQuantError, ValueError) as error:
                self.problems.append(Problem(file, row.line, str(error)))
                if draft is not None and at is not None:
                    draft.lacking.append(at)

    def _check_age(self, window: Window) -> None:
        """Raises InvalidRequest for a bar that no market can have made yet, or ever."""
        if window.end > seconds(self._reading.now):
            raise InvalidRequest("this bar has not closed yet: only closed bars can be imported")
        if window.start < _EARLIEST:
            raise InvalidRequest("a bar from before 1678: is its time what it should be?")

    def _draft(self, row: Row, layout: Layout) -> Draft:
        fields = layout.fields
        symbol = str(row.values[fields["symbol"]]).strip() if "symbol" in fields else None
        interval = str(row.values[fields["interval"]]).strip() if "interval" in fields else None
        draft = self._found.get((symbol, interval))
        if draft is None:
            instrument, found = self._find_series(symbol, interval)
            key = (instrument.symbol, found)
            if key not in self.drafts:
                self.drafts[key] = Draft(instrument, found, extended=self._reading.extended)
            draft = self._found[symbol, interval] = self.drafts[key]
        return draft


def _bar(draft: Draft, window: Window, row: Row, fields: Mapping[str, int]) -> Bar:
    values = row.values
    opened_at, high, low, close = (_price(name, values[fields[name]]) for name in PRICES)
    state = str(values[fields["state"]]).strip() if "state" in fields else ""
    if state not in ("", BarState.FINAL, BarState.PROVISIONAL):
        raise InvalidRequest(f"state is {state[:20]!r}: only closed bars can be imported, final or provisional")
    try:
        return Bar(
            draft.instrument.symbol,
            draft.interval,
            instant(window.key),
            instant(window.start),
            instant(window.end),
            opened_at,
            high,
            low,
            close,
            _price("volume", values[fields["volume"]]) if "volume" in fields else 0.0,
            _trades(values[fields["trades"]]) if "trades" in fields else None,
            BarState.PROVISIONAL if state == BarState.PROVISIONAL else BarState.FINAL,
            BarSource.IMPORT,
            _flag(values[fields["partial"]]) if "partial" in fields else False,
        )
    except ValueError as error:  # its text begins with symbol and time, which the line tells
        raise InvalidRequest(f"{str(error).rpartition(': ')[2]}: {opened_at} {high} {low} {close}") from error


def _price(name: str, cell: Any) -> float:
    if cell in _NOTHING or (isinstance(cell, str) and not cell.strip()):
        raise InvalidRequest(f"{name} is empty")
    try:
        if isinstance(cell, str) and "_" in cell:
            raise ValueError
        return float(cell)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidRequest(f"{name} is no number: {str(cell)[:40]!r}") from error


def _trades(cell: Any) -> int | None:
    if cell in _NOTHING:
        return None
    try:
        count = int(cell)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"trades is no whole number: {str(cell)[:40]!r}") from error
    if not 0 <= count < 1 << 53:
        raise InvalidRequest(f"trades is {str(cell)[:40]}: a count is expected")
    return count


def _flag(cell: Any) -> bool:
    text = str(cell or "").strip().lower()
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise InvalidRequest(f"partial is {text[:20]!r}: write true or false")

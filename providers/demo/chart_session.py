"""A chart session: resolves symbols and serves their bars, in the order asked. No I/O; loads are run by others."""

from __future__ import annotations

import zoneinfo
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from providers.demo import table, wire
from providers.demo.extent import MAX_BARS_PER_LOAD, Extent, extent_of
from providers.demo.faults import Faults
from providers.demo.instruments import Listing
from providers.demo.market import DemoMarket
from providers.demo.series import Loaded, Series
from providers.demo.symbol_info import ANONYMOUS_UPDATE_SECONDS, resolved, update_mode

MAX_WAITING = 1_000
MAX_SERIES = 100

Params = list[object]
Lookup = Callable[[str], Listing | None]


class Load(NamedTuple):
    """Work that may take a second: ``run(now_ms)`` in a thread, then the session's ``finish`` with its packets.

    It touches nothing but its series, which nothing else touches meanwhile.
    """

    run: Callable[[int], list[bytes]]
    failed: Callable[[], list[bytes]]


class SessionEnded(Exception):  # it is no error of ours: the client's mistake ends its session
    """Ends the session; ``packet`` is the critical_error that says why."""

    def __init__(self, packet: bytes) -> None:
        super().__init__(packet)
        self.packet = packet


class ChartSession:
    """Messages wait while a load is under way, so that each sees what came before it."""

    def __init__(self, name: str, market: DemoMarket, lookup: Lookup, faults: Faults, now: Callable[[], int]) -> None:
        self.name = name
        self.load: Load | None = None  # to be run now; nothing else happens until `finish` or `fail`
        self._market, self._lookup, self._faults, self._now = market, lookup, faults, now
        self._waiting: deque[tuple[str, Params]] = deque()
        self._symbols: dict[str, Listing | str] = {}  # resolve id -> listing, or why there is no series
        self._series: dict[str, Series] = {}
        self._failed: dict[str, Extent] = {}  # series that ended in an error, and what a modify_series then loads
        self._handlers: dict[str, Callable[[Params], list[bytes]]] = {
            "switch_timezone": self._switch_timezone,
            "resolve_symbol": self._resolve_symbol,
            "create_series": self._create_series,
            "modify_series": self._modify_series,
            "remove_series": self._remove_series,
            "request_more_data": self._request_more_data,
            "request_more_tickmarks": self._request_more_tickmarks,
            "get_first_bar_time": self._get_first_bar_time,
        }

    @property
    def is_overfull(self) -> bool:
        return len(self._waiting) > MAX_WAITING

    def receive(self, method: str, params: Params) -> list[bytes]:
        """Answer a message now, or later if a load is under way. Raises SessionEnded."""
        self._waiting.append((method, params))
        return self._work() if self.load is None else []

    def finish(self, packets: list[bytes]) -> list[bytes]:
        """The answer of the load, and to what waited for it. Raises SessionEnded."""
        self.load = None
        return packets + self._work()

    def fail(self) -> list[bytes]:
        """The load could not be done. Raises SessionEnded."""
        load, self.load = self.load, None
        return (load.failed() if load else []) + self._work()

    def flush(self, now_ms: int) -> list[bytes]:
        """What changed in live series."""
        if self.load is not None:
            return []
        return [packet for series in self._series.values() for packet in series.flush(self._market, now_ms)]

    def corrections(self, now_ms: int) -> list[bytes]:
        return [packet for series in self._series.values() for packet in series.correction(self._market, now_ms)]

    def _work(self) -> list[bytes]:
        packets: list[bytes] = []
        while self._waiting and self.load is None:
            method, params = self._waiting.popleft()
            packets += self._handlers[method](params)
        return packets

    # Messages; ``params`` are those after the session's name.

    def _switch_timezone(self, params: Params) -> list[bytes]:
        zone = params[0] if params else None
        if zone != "exchange" and (not isinstance(zone, str) or zone not in zoneinfo.available_timezones()):
            raise SessionEnded(wire.invalid_timezone(self.name, params))
        return []

    def _resolve_symbol(self, params: Params) -> list[bytes]:
        if len(params) < 2 or not isinstance(params[0], str):
            raise SessionEnded(wire.invalid_parameters(self.name, "resolve_symbol", params))
        resolve_id = params[0]
        symbol, chart_type = wire.symbol_of(params[1])
        listing = self._lookup(symbol)
        if listing is None:
            self._symbols[resolve_id] = "resolve error"
            return [self._stamped("symbol_error", resolve_id, "invalid symbol")]
        self._symbols[resolve_id] = f"study_not_auth:{chart_type}" if chart_type else listing
        return [self._stamped("symbol_resolved", resolve_id, resolved(listing))]

    def _create_series(self, params: Params) -> list[bytes]:
        series_id, turnaround, resolve_id, code, count, *rest = self._named("create_series", params, 5)
        resolution, extent = self._asked("create_series", params, code, count, rest[0] if rest else "")
        loading = self._stamped("series_loading", series_id, turnaround)
        found = self._listing_of(resolve_id)
        reason = resolution if not isinstance(resolution, wire.Resolution) else found if isinstance(found, str) else ""
        if self._is_one_too_many(series_id):
            return [loading, self._series_error(series_id, turnaround, "exceed limit of series")]
        if reason or not isinstance(found, Listing) or not isinstance(resolution, wire.Resolution):
            self._fail(series_id, extent)
            return [loading, self._series_error(series_id, turnaround, reason)]
        self._failed.pop(series_id, None)
        series = self._series[series_id] = self._new_series(series_id, turnaround, found, resolution)
        if found.symbol not in self._faults.unanswered_symbols:
            self._start_load(series, extent)
        return [loading]

    def _modify_series(self, params: Params) -> list[bytes]:
        series_id, turnaround, resolve_id, code, *rest = self._named("modify_series", params, 4)
        old = self._series.get(series_id)
        former = Extent(count=max(old.sent, 1)) if old is not None else self._failed.get(series_id)
        if former is None:
            return [self._series_error(series_id, turnaround, "unknown series")]
        resolution, extent = self._asked("modify_series", params, code, MAX_BARS_PER_LOAD, rest[0] if rest else "")
        loading = self._stamped("series_loading", series_id, turnaround)
        found = self._listing_of(resolve_id)
        if isinstance(found, str) or not isinstance(resolution, wire.Resolution):
            reason = found if isinstance(found, str) else resolution
            self._fail(series_id, former)
            return [loading, self._series_error(series_id, turnaround, reason)]
        self._failed.pop(series_id, None)
        if old is not None and (old.listing, old.resolution) == (found, resolution):
            series = old
            series.turnaround = turnaround
        else:
            extent = extent if rest and rest[0] else former
            series = self._series[series_id] = self._new_series(series_id, turnaround, found, resolution)
        self._start_load(series, extent)
        return [loading]

    def _remove_series(self, params: Params) -> list[bytes]:
        series_id = str(params[0]) if params else ""
        self._failed.pop(series_id, None)
        found = self._series.pop(series_id, None)
        return [] if found is None else [self._stamped("series_deleted", found.name)]

    def _request_more_data(self, params: Params) -> list[bytes]:
        series_id = params[0] if params else None
        count = params[1] if len(params) > 1 else None
        if not isinstance(count, int) or count <= 0:
            raise SessionEnded(wire.invalid_parameters(self.name, "request_more_data", params))
        series = self._series.get(series_id) if isinstance(series_id, str) else None
        if series is None:
            return [self._series_error(series_id, "", "unknown series")]
        wanted = min(count, MAX_BARS_PER_LOAD)
        loading = self._stamped("series_loading", series.name, series.turnaround)

        def run(now_ms: int) -> list[bytes]:
            older = series.find_older(self._market, wanted, now_ms)
            # Without older data the completion comes alone.
            return self._completed(series, older) if len(older.rows) else [self._completion(series)]

        self.load = Load(run, lambda: [self._failure(series)])
        return [loading]

    def _request_more_tickmarks(self, params: Params) -> list[bytes]:
        empty = {"index": 0, "zoffset": 0, "changes": [], "marks": [], "index_diff": []}
        return [self._stamped("timescale_update", {}, empty)]

    def _get_first_bar_time(self, params: Params) -> list[bytes]:
        resolve_id, code = self._named("get_first_bar_time", params, 2)
        resolution = wire.resolution_of(code)
        found = self._listing_of(resolve_id)
        if not isinstance(resolution, wire.Resolution) or not isinstance(found, Listing):
            raise SessionEnded(wire.invalid_parameters(self.name, "get_first_bar_time", params))

        def run(now_ms: int) -> list[bytes]:
            rows = self._market.rows(found, resolution.interval, now_ms, months=resolution.months)
            return [self._stamped("first_bar_time", resolve_id, int(start)) for start in rows[:1, table.START]]

        self.load = Load(run, list)
        return []

    # Shared parts

    def _named(self, method: str, params: Params, least: int) -> tuple[str, ...]:
        """At least ``least`` parameters, those with names being strings. Raises SessionEnded."""
        if len(params) < least or not all(isinstance(param, str) for param in params[: min(least, 4)]):
            raise SessionEnded(wire.invalid_parameters(self.name, method, params))
        return tuple(params)  # type: ignore[arg-type]  # counts and ranges are checked by `_asked`

    def _asked(
        self, method: str, params: Params, code: object, count: object, span: object
    ) -> tuple[wire.Resolution | str, Extent]:
        """Resolution (or why it is refused) and extent. Raises SessionEnded if either makes no sense."""
        resolution = wire.resolution_of(code)
        extent = extent_of(count, span, self._now() // 1_000)
        if resolution is None or extent is None:
            raise SessionEnded(wire.invalid_parameters(self.name, method, params))
        return resolution, extent

    def _listing_of(self, resolve_id: str) -> Listing | str:
        """What was resolved under this id, or the reason of a series_error."""
        found = self._symbols.get(resolve_id, "resolve error")
        if isinstance(found, Listing) and found.symbol in self._faults.series_errors:
            return "resolve error"
        return found

    def _new_series(self, series_id: str, turnaround: str, listing: Listing, resolution: wire.Resolution) -> Series:
        return Series(self.name, series_id, turnaround, listing, resolution, self._faults)

    def _is_one_too_many(self, series_id: str) -> bool:
        known = self._series.keys() | self._failed.keys()
        return series_id not in known and len(known) >= MAX_SERIES

    def _fail(self, series_id: str, extent: Extent) -> None:
        """The series has no bars any more. Clients bring it back by modify_series, with another symbol."""
        self._series.pop(series_id, None)
        self._failed[series_id] = extent

    def _start_load(self, series: Series, extent: Extent) -> None:
        def run(now_ms: int) -> list[bytes]:
            packets = self._completed(series, series.find(self._market, extent, now_ms), extent)
            series.is_live = series.is_live or extent.is_live
            return packets

        self.load = Load(run, lambda: [self._failure(series)])

    def _completed(self, series: Series, loaded: Loaded, extent: Extent | None = None) -> list[bytes]:
        packets = series.accept(loaded)
        if extent is not None and extent.span:
            shown = (0, series.sent - 1, extent.span, True)
            packets.append(wire.message("series_timeframe", self.name, series.name, series.turnaround, *shown))
        return [*packets, self._completion(series)]

    def _completion(self, series: Series) -> bytes:
        return self._stamped(
            "series_completed",
            series.name,
            update_mode(series.listing),
            series.turnaround,
            {"rt_update_period": ANONYMOUS_UPDATE_SECONDS},
        )

    def _failure(self, series: Series) -> bytes:
        return self._series_error(series.name, series.turnaround, "internal error")

    def _series_error(self, series_id: object, turnaround: object, reason: object) -> bytes:
        return self._stamped("series_error", series_id, turnaround, reason, wire.NODE)

    def _stamped(self, method: str, *params: object) -> bytes:
        return wire.stamped(self._now(), method, self.name, *params)

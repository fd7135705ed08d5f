"""A series of a chart session: what was sent of it, and what changed since. No I/O."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from providers.demo import table, wire
from providers.demo.extent import Extent
from providers.demo.faults import Faults
from providers.demo.instruments import Listing
from providers.demo.market import DemoMarket
from providers.demo.randomness import Ints
from providers.demo.withheld import shown

FLUSH_MS = 250


class Loaded(NamedTuple):
    """Bars that a load found, and the market's time it saw."""

    rows: Ints
    now_ms: int


class Series:
    """Bars of one listing and interval under the ids that the client chose."""

    def __init__(
        self,
        session: str,
        name: str,
        turnaround: str,
        listing: Listing,
        resolution: wire.Resolution,
        faults: Faults,
    ) -> None:
        self.session, self.name, self.turnaround = session, name, turnaround
        self._faults = faults
        self.listing, self.resolution = listing, resolution
        self.is_live = False
        self._first_index, self._last_index = 0, -1
        self._first_start: int | None = None
        self._last: list[int] | None = None
        self._flushed_ms = 0

    @property
    def sent(self) -> int:
        return self._last_index - self._first_index + 1

    def find(self, market: DemoMarket, extent: Extent, now_ms: int) -> Loaded:
        """The bars of ``extent`` as of ``now_ms``; may take a second, so not for the socket's loop."""
        since = extent.since
        if since is not None and extent.is_live and self._last is not None:
            since = min(since, self._last[table.START])  # from the bars that the client has on, without a gap
        count = None if since is not None or extent.until is not None else extent.count
        rows = self._rows(market, now_ms, count=count, since=since)
        if since is not None:
            inside = rows[rows[:, table.START] >= since]
            # A timeframe shorter than a bar still shows the one in progress.
            rows = inside if len(inside) or not extent.is_live else rows[-1:]
        if extent.until is not None:
            rows = rows[rows[:, table.START] <= extent.until]
        return Loaded(rows[max(len(rows) - extent.count, 0) :], now_ms)

    def find_older(self, market: DemoMarket, count: int, now_ms: int) -> Loaded:
        """At most ``count`` bars before the first that was sent."""
        if self._first_start is None:
            return self.find(market, Extent(count=count), now_ms)
        return self.find(market, Extent(count=count, until=self._first_start - 1), now_ms)

    def _rows(self, market: DemoMarket, now_ms: int, count: int | None = None, since: int | None = None) -> Ints:
        interval, months = self.resolution
        faults = self._faults
        if not faults.withhold and not faults.closing_delay_seconds:
            return market.rows(self.listing, interval, now_ms, count=count, since=since, months=months)
        rows = shown(
            market.rows(self.listing, interval, now_ms, since=since, months=months),
            self.listing,
            interval,
            now_ms,
            withhold=faults.withhold,
            closing_delay_seconds=faults.closing_delay_seconds,
        )
        return rows if count is None else rows[max(len(rows) - count, 0) :]

    def accept(self, loaded: Loaded) -> list[bytes]:
        """The messages that bring ``loaded`` to the client; bars it already has are not sent again.

        Newer bars of a series that was live before are left to `flush`: it tells the last trades of the bar that
        they follow, and leaves none out.
        """
        rows = loaded.rows
        if self._first_start is not None and self._last is not None:
            starts = rows[:, table.START]
            newer = rows[starts >= self._last[table.START]]
            rows = rows[starts < self._first_start]
            messages = self._update(rows, self._first_index - len(rows), loaded.now_ms)
            self._first_index -= len(rows)
            if not self.is_live:
                messages += self._append(self._last, newer, loaded.now_ms)
        else:
            messages = self._update(rows, 0, loaded.now_ms)
            self._last_index = len(rows) - 1
            self._last = rows[-1].tolist() if len(rows) else None
        if len(rows):
            self._first_start = int(rows[0, table.START])
        return messages

    def _append(self, last: list[int], rows: Ints, now_ms: int) -> list[bytes]:
        """Bars from ``last``, which the client has, on; ``last`` may have been in progress when it was sent."""
        messages: list[bytes] = []
        if len(rows) and rows[0, table.START] == last[table.START]:
            row, rows = rows[0].tolist(), rows[1:]
            if row != last:
                self._last = row
                messages.append(self._du(row, self._last_index))
        if len(rows):
            messages += self._update(rows, self._last_index + 1, now_ms)
            self._last_index += len(rows)
            self._last = rows[-1].tolist()
        return messages

    def flush(self, market: DemoMarket, now_ms: int) -> list[bytes]:
        """What changed since the last message: `du` for the bar in progress, `timescale_update` for a new one."""
        if not self.is_live or now_ms - self._flushed_ms < FLUSH_MS:
            return []
        self._flushed_ms = now_ms
        last = self._last
        if last is None:
            rows = self._rows(market, now_ms, count=1)
        else:
            rows = self._rows(market, now_ms, since=last[table.START])
            rows = rows[rows[:, table.START] >= last[table.START]]
        messages: list[bytes] = []
        for row in rows.tolist():
            if self._last is not None and row[table.START] == self._last[table.START]:
                if row != self._last:
                    messages.append(self._du(row, self._last_index))
            else:
                self._last_index += 1
                messages += [self._new_bar(row, now_ms), self._du(row, self._last_index)]
            self._last = row
            if self._first_start is None:
                self._first_start = row[table.START]
        return messages

    def correction(self, market: DemoMarket, now_ms: int) -> list[bytes]:
        """A late correction: the bar before the last once more, with a higher high and more volume."""
        rows = self._rows(market, now_ms, count=2)
        if not self.is_live or len(rows) < 2 or self.sent < 2:
            return []
        row = rows[0].tolist()
        row[table.HIGH] += 1
        row[table.VOLUME] += 1
        return [self._du(row, self._last_index - 1)]

    def _du(self, row: list[int], index: int) -> bytes:
        elements = wire.bars(self.listing, np.array([row]), index)
        return wire.message(
            "du",
            self.session,
            wire.series_data(self.name, self.turnaround, elements, row[table.END], "nochange"),
        )

    def _new_bar(self, row: list[int], now_ms: int) -> bytes:
        """A bar that opens comes as a `timescale_update` of one element, with its first price and no volume yet."""
        opened = list(row)
        opened[table.HIGH] = opened[table.LOW] = opened[table.CLOSE] = row[table.OPEN]
        opened[table.VOLUME] = 0
        elements = wire.bars(self.listing, np.array([opened]), self._last_index)
        data = wire.series_data(self.name, self.turnaround, elements, row[table.END], "nochange")
        return wire.stamped(now_ms, "timescale_update", self.session, data, wire.timescale(elements, self._last_index))

    def _update(self, rows: Ints, first_index: int, now_ms: int) -> list[bytes]:
        elements = wire.bars(self.listing, rows, first_index)
        if self._faults.out_of_order_bars and len(elements) > 1:
            elements[-1], elements[-2] = elements[-2], elements[-1]
        if self._faults.duplicate_bars and elements:
            elements.append(elements[-1])
        size = max(1, -(-len(elements) // max(self._faults.updates_per_load, 1)))
        close_time = wire.close_time_of(rows)
        messages = []
        for place in range(0, max(len(elements), 1), size):
            part = elements[place : place + size]
            data = wire.series_data(self.name, self.turnaround, part, close_time, [])
            scale = wire.timescale(part, first_index + place)
            messages.append(wire.stamped(now_ms, "timescale_update", self.session, data, scale))
        return messages

"""History: bars of every interval out of days and minutes, cached within bounds, exact up to any moment."""

from __future__ import annotations

import bisect
import threading
from collections import OrderedDict

import numpy as np

from domain.interval import Interval
from providers.demo import minutes, table
from providers.demo.cache import ArrayCache
from providers.demo.days import DayLevel, DayShape
from providers.demo.instruments import Listing
from providers.demo.randomness import Ints, child_stream, named_stream
from providers.demo.timetable import Timetable
from providers.demo.trades import Trades, trades_of

WINDOW_BARS = 5_000  # how far intervals finer than a day reach back
_MINUTES_BUDGET = 24 * 2**20
_COARSE_BUDGET = 48 * 2**20
_WHOLE_LEVELS = 128  # listings whose days since 2010 are held, 32 MB; of the others only the newest days
_MINUTE, _QUARTER, _HOUR = 60, 900, 3_600
_MOST_DAYS = {Interval.D1: 1, Interval.W1: 7, Interval.MN1: 31}
_MONDAY_OFFSET = 3 * 86_400  # 1970-01-01 was a Thursday
_WEEK = 7 * 86_400


class History:
    """Bars of one seed, for all listings. Every method may be called from any thread."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._lock = threading.Lock()
        self._timetables: dict[str, Timetable] = {}
        self._levels: dict[str, DayLevel] = {}
        self._whole: OrderedDict[str, DayLevel] = OrderedDict()  # those of `_levels` with all days, oldest use first
        self._streams: dict[str, int] = {}
        self._minutes = ArrayCache(_MINUTES_BUDGET)
        self._coarse = ArrayCache(_COARSE_BUDGET)

    def timetable(self, listing: Listing) -> Timetable:
        found = self._timetables.get(listing.calendar)
        if found is None:
            made = Timetable(listing.calendar)  # which may take a second: symbols of other calendars don't wait
            with self._lock:
                found = self._timetables.setdefault(listing.calendar, made)
        return found

    def day(self, listing: Listing, index: int) -> DayShape:
        """The day ``index`` of the listing's timetable, which knows it already."""
        return DayShape(*self._days(listing, self.timetable(listing), index, index)[0].tolist())

    def minute_rows(self, listing: Listing, index: int) -> Ints:
        """All minutes of a day that trade (columns of `minutes`)."""
        key = (listing.ticker, index)
        found = self._minutes.get(key)
        if found is None:
            timetable = self.timetable(listing)
            stream = self._day_stream(listing, timetable.ordinal(index))
            starts = timetable.minute_places(index)[:, 0]
            found = self._minutes.put(key, minutes.minutes_of(listing, stream, starts, self.day(listing, index)))
        return found

    def trades(self, listing: Listing, index: int, row: Ints) -> Trades:
        """The trades of one minute of `minute_rows`."""
        stream = self._day_stream(listing, self.timetable(listing).ordinal(index))
        return trades_of(child_stream(stream, int(row[minutes.START])), row)

    def rows(
        self,
        listing: Listing,
        interval: Interval,
        at_ms: int,
        *,
        count: int | None = None,
        since: int | None = None,
        months: int = 1,
    ) -> Ints:
        """Bars (columns of `table`) of the trades up to and including ``at_ms`` (event time), ascending.

        At most the newest ``count``. With ``since`` (epoch s), bars of days that closed before it may be left out.
        ``months`` is how many make a bar of ``1M``: the service has quarters, halves and years too.
        """
        seconds = interval.seconds
        if seconds is None:
            found = self._long_rows(listing, interval, at_ms, count, since, months)
            return found if count is None else found[max(len(found) - count, 0) :]
        wanted = WINDOW_BARS if count is None else min(count, WINDOW_BARS)
        return table.finished(self._intraday_rows(listing, seconds, at_ms, wanted, since), seconds)

    def _days(self, listing: Listing, timetable: Timetable, first: int, last: int) -> Ints:
        """Days ``[first, last]`` of the timetable (columns of `DayShape`), computed if need be."""
        start, end = first - timetable.first_priced, last + 1 - timetable.first_priced
        with self._lock:
            level = self._levels.get(listing.ticker)
            if level is None or start < level.dropped:
                level = self._levels[listing.ticker] = DayLevel(self.seed, listing)
            if len(level) < end:
                places = range(timetable.first_priced + len(level), last + 1)
                ordinals = [timetable.ordinal(place) for place in places]
                level.extend(np.array(ordinals), np.array(timetable.minutes[places.start : places.stop]))
            found = level.rows(start, end)
            if not level.dropped:
                self._keep(listing.ticker, level)
            return found

    def _keep(self, ticker: str, level: DayLevel) -> None:
        """Note the use of a level with all its days; the one not used for longest then loses them."""
        self._whole[ticker] = level
        self._whole.move_to_end(ticker)
        if len(self._whole) > _WHOLE_LEVELS:
            self._whole.popitem(last=False)[1].drop()

    def _day_stream(self, listing: Listing, ordinal: int) -> int:
        stream = self._streams.get(listing.ticker)
        if stream is None:
            stream = self._streams[listing.ticker] = named_stream(self.seed, listing.ticker, "minute")
        return child_stream(stream, ordinal)

    # Intraday

    def _intraday_rows(self, listing: Listing, seconds: int, at_ms: int, wanted: int, since: int | None) -> Ints:
        """The newest ``wanted`` bars of ``seconds``, from days walked backwards until there are enough."""
        timetable = self.timetable(listing)
        index = timetable.index_at(at_ms // 1_000)
        base = _MINUTE if seconds < _QUARTER else _QUARTER if seconds < _HOUR else _HOUR
        chunks: list[Ints] = []
        have = 0
        while index >= timetable.first_priced and have < wanted:
            if since is not None and timetable.closes[index] <= since:
                break
            rows = self._day_rows(listing, index, base, at_ms)
            chunks.append(rows)
            have += _bar_count(rows, seconds)
            index -= 1
        if not chunks:
            return table.empty()
        bars = table.fold(np.concatenate(chunks[::-1]), seconds)
        return bars[max(len(bars) - wanted, 0) :]

    def _day_rows(self, listing: Listing, index: int, seconds: int, at_ms: int) -> Ints:
        """One day's rows of ``seconds`` (a minute, quarter or hour) with the trades up to ``at_ms``."""
        if at_ms < self.timetable(listing).closes[index] * 1_000:
            return table.fold(self._minutes_until(listing, index, at_ms), seconds)
        key = (listing.ticker, seconds, index)
        found = self._coarse.get(key) if seconds > _MINUTE else None
        if found is None:
            found = self._placed(listing, index, self.minute_rows(listing, index))
            if seconds > _MINUTE:
                found = self._coarse.put(key, table.fold(found, seconds))
        return found

    def _minutes_until(self, listing: Listing, index: int, at_ms: int) -> Ints:
        """A day's minutes with the trades up to ``at_ms``, the last one perhaps cut short."""
        rows = self.minute_rows(listing, index)
        done = int(np.searchsorted(rows[:, minutes.START], at_ms // 1_000 - 60, side="right"))
        placed = self._placed(listing, index, rows[:done])
        if done < len(rows) and rows[done, minutes.START] * 1_000 <= at_ms:
            running = self._running_minute(listing, index, rows[done], at_ms)
            if running is not None:
                placed = np.concatenate((placed, running))
        return placed

    def _running_minute(self, listing: Listing, index: int, row: Ints, at_ms: int) -> Ints | None:
        """The minute ``row`` with its trades up to ``at_ms``, None before the first."""
        start = int(row[minutes.START])
        trades = self.trades(listing, index, row)
        seen = int(np.searchsorted(trades.offsets, at_ms - start * 1_000, side="right"))
        if not seen:
            return None
        prices = trades.prices[:seen]
        part = row.copy()
        part[minutes.OPEN], part[minutes.CLOSE] = prices[0], prices[-1]
        part[minutes.HIGH], part[minutes.LOW] = prices.max(), prices.min()
        part[minutes.VOLUME] = trades.sizes[:seen].sum()
        return self._placed(listing, index, part[None])

    def _placed(self, listing: Listing, index: int, rows: Ints) -> Ints:
        """Minutes as rows of `table`, which know the segment they lie in."""
        segments = self.timetable(listing).days[index].segments
        starts = np.array([segment.start for segment in segments])
        ends = np.array([segment.end for segment in segments])
        segment = np.searchsorted(starts, rows[:, minutes.START], side="right") - 1
        placed = np.empty((len(rows), table.WIDTH), dtype=np.int64)
        placed[:, table.START] = rows[:, minutes.START]
        placed[:, table.SEGMENT_START] = starts[segment]
        placed[:, table.SEGMENT_END] = ends[segment]
        placed[:, table.OPEN :] = rows[:, minutes.OPEN :]
        return placed

    # Days, weeks and months never touch minutes, but for those of the running day.

    def _long_rows(
        self, listing: Listing, interval: Interval, at_ms: int, count: int | None, since: int | None, months: int
    ) -> Ints:
        timetable = self.timetable(listing)
        index = timetable.index_at(at_ms // 1_000)
        first = timetable.first_priced
        if count is not None:
            first = max(first, index - (count + 1) * _MOST_DAYS[interval] * months)
        if since is not None:
            first = max(first, bisect.bisect_right(timetable.closes, since) - 1)
        first = _period_start(timetable, interval, first, months)
        days = self._days_until(listing, timetable, at_ms, first, index)
        if not len(days):
            return days
        known = _period_keys(np.array(timetable.keys[first:]), interval, months)  # sessions to come included
        bars = table.grouped(days, known[: len(days)])
        bars[:, table.KEY] = keys = np.unique(known[: len(days)])
        # A span runs to the period's last close, which may be to come. In the first week of all it begins with days
        # that have no price.
        whole = first <= timetable.first_priced
        starts = _period_keys(np.array(timetable.keys), interval, months) if whole else known
        opens = timetable.opens[len(timetable.opens) - len(starts) :]
        bars[:, table.START] = np.array(opens)[np.searchsorted(starts, keys)]
        bars[:, table.END] = np.array(timetable.closes[first:])[np.searchsorted(known, keys, side="right") - 1]
        return bars

    def _days_until(self, listing: Listing, timetable: Timetable, at_ms: int, first: int, index: int) -> Ints:
        """Days ``[first, index]`` with the trades up to ``at_ms``, which lies after the open of day ``index``."""
        if index < first:
            return table.empty()
        rows = np.empty((index + 1 - first, table.WIDTH), dtype=np.int64)
        rows[:, table.START] = timetable.opens[first : index + 1]
        rows[:, table.END] = timetable.closes[first : index + 1]
        rows[:, table.KEY] = timetable.keys[first : index + 1]
        rows[:, table.OPEN :] = self._days(listing, timetable, first, index)
        if at_ms < timetable.closes[index] * 1_000:
            running = self._minutes_until(listing, index, at_ms)
            if not len(running):
                return rows[:-1]
            rows[-1, table.OPEN :] = table.grouped(running, np.zeros(len(running), dtype=np.int64))[0, table.OPEN :]
        return rows


def _bar_count(rows: Ints, seconds: int) -> int:
    starts = table.slots(rows, seconds)
    return 1 + int(np.count_nonzero(starts[1:] != starts[:-1])) if len(rows) else 0


def _period_keys(days: Ints, interval: Interval, months: int) -> Ints:
    """Key of the day, week (its Monday) or month (its 1st) of each trading date; all at 00:00 UTC, epoch s."""
    if interval is Interval.D1:
        return days
    if interval is Interval.W1:
        return days - (days + _MONDAY_OFFSET) % _WEEK
    number = days.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)  # since January 1970
    keys: Ints = (number - number % months).astype("datetime64[M]").astype("datetime64[s]").astype(np.int64)
    return keys


def _period_start(timetable: Timetable, interval: Interval, index: int, months: int) -> int:
    """Index of the first priced day in the period that holds day ``index``."""
    first = timetable.first_priced
    low = max(first, index + 1 - _MOST_DAYS[interval] * months)
    keys = _period_keys(np.array(timetable.keys[low : index + 1]), interval, months)
    return low + int(np.searchsorted(keys, keys[-1])) if len(keys) else index

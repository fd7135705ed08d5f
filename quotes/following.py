"""Whom the streamer follows, kept in step with what the registry desires: one feed for each provider."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

import structlog

from domain.calendars import get_calendar, is_light
from domain.errors import UnknownCalendar
from domain.instrument import Instrument
from providers.base import Baseline, Provider
from quotes.desired import Desired
from quotes.feed import Feed
from quotes.publish import Publisher
from quotes.status import FeedState, Status
from quotes.stream import Streamer
from quotes.syncs import SyncOrders
from quotes.threads import WorkerThread

log = structlog.get_logger(__name__)


class Following:
    """``keep_to`` what is desired. ``on_change(gone)`` is called when others are followed than before.

    ``baselines_of`` tells, once for each provider, where its symbols stood when an earlier run stopped, ``left_at``
    (epoch seconds).
    """

    def __init__(
        self,
        *,
        streamer: Streamer,
        publisher: Publisher,
        syncs: SyncOrders,
        thread: WorkerThread,
        open_provider: Callable[[str], Provider],
        baselines_of: Callable[[str], list[Baseline]],
        left_at: float,
        on_change: Callable[[list[str]], None],
    ) -> None:
        self._streamer, self._publisher, self._syncs, self._thread = streamer, publisher, syncs, thread
        self._open_provider, self._baselines_of, self._on_change = open_provider, baselines_of, on_change
        self._left_at = left_at
        self._feeds: dict[str, Feed] = {}
        self._waiting: dict[str, str] = {}  # symbols that cannot be followed yet, and why
        self._calendars: set[str] = set()  # those that are built

    async def keep_to(self, desired: Desired) -> None:
        """Follow exactly what is desired; until exchanges' calendars are built, which takes a second, those that
        need none."""
        needed = {one.calendar for one in desired.instruments} - self._calendars
        if needed:
            if not self._streamer.instruments:
                light = [one for one in desired.instruments if is_light(one.calendar)]
                self._apply(desired._replace(instruments=light))
            await self._thread.run(_build_calendars, needed)
            self._calendars |= needed
        self._apply(desired)

    def spoken_for(self) -> list[str]:
        """The symbols whose state the streamer tells: those it follows, and those that wait."""
        return [*self._streamer.instruments, *self._waiting]

    async def close(self) -> None:
        """End all feeds; what they had received is taken first."""
        await asyncio.gather(*(feed.close() for feed in self._feeds.values()))

    def baselines(self) -> dict[str, list[Baseline]]:
        """Where the symbols of each provider stand."""
        return {name: feed.baselines() for name, feed in self._feeds.items()}

    def _apply(self, desired: Desired) -> None:
        wanted = {instrument.symbol: instrument for instrument in desired.instruments}
        following = self._streamer.instruments
        gone = [symbol for symbol in following if symbol not in wanted]
        changed = [one for one in wanted.values() if following.get(one.symbol) != one]
        for symbol in gone:
            self._streamer.forget(symbol)
        refused = {one.symbol: reason for one in changed if (reason := self._follow(one))}
        if gone or changed:
            for name, feed in self._feeds.items():
                feed.follow(one for one in following.values() if one.provider == name)
            log.info("following", symbols=len(following), new=len(changed), gone=len(gone))
        self._tell_waiting(desired.waiting | refused)
        if gone or changed:
            self._on_change(gone)

    def _follow(self, instrument: Instrument) -> str:
        """Follow one symbol; why it cannot be, or an empty text."""
        try:
            self._streamer.follow(instrument, self._feed(instrument.provider))
        except UnknownCalendar as error:
            return str(error)
        if instrument.symbol not in self._syncs.asked_at:
            self._syncs.want(instrument.symbol)
        return ""

    def _feed(self, name: str) -> Feed:
        feed = self._feeds.get(name)
        if feed is None:
            baselines = self._baselines_of(name)
            feed = Feed(self._open_provider(name), self._streamer.take, name=name, baselines=baselines)
            self._feeds[name] = feed
            for baseline in baselines:
                if baseline.second is not None:
                    self._streamer.resume(baseline.symbol, int(baseline.second) * 10**9, self._left_at)
        return feed

    def _tell_waiting(self, waiting: Mapping[str, str]) -> None:
        for symbol, reason in waiting.items():
            if self._waiting.get(symbol) != reason:
                status = Status(state=FeedState.OFFLINE, since=datetime.now(UTC), reason=reason)
                self._publisher.status(symbol, status)
            self._syncs.want(symbol)
        self._waiting = dict(waiting)


def _build_calendars(names: Iterable[str]) -> None:
    """In a thread, so that the loop goes on; the fold then finds them made."""
    for name in names:
        with contextlib.suppress(UnknownCalendar):  # said of each symbol when it is to be followed
            get_calendar(name)

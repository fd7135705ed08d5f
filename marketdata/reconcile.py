"""Reconciling: shortly after bars close, the provider's history confirms or corrects what the stream built.

Series keep from when on they hold bars that history has not told (``Series.unconfirmed``). Each minute those whose bars
have had time to settle are asked for, of each provider so many, those first whose bars leave its window first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db.models import Max
from pymongo.database import Database

from domain.calendars import get_calendar
from domain.errors import InvalidRequest
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata import announcing, runs, series
from marketdata.collections import SERIES
from marketdata.decisions import SETTLED_SECONDS
from marketdata.documents import instant, seconds
from marketdata.ledger_range import GRACE_SECONDS
from marketdata.models import SyncItem, SyncRun
from marketdata.mongo import Document, database, unavailable
from marketdata.spans import spans
from marketdata.unconfirmed import unconfirmed_from
from marketdata.window import leaves_window_at, window_start
from symbols.models import Symbol
from symbols.sources import provider_named

SHARE = 0.25  # of a provider's requests a minute
MOST_A_MINUTE = 200
_KEPT, _FAILED_KEPT = timedelta(hours=1), timedelta(days=1)
_NEVER = datetime.max.replace(tzinfo=UTC)
_LONGEST = {interval: timedelta(seconds=interval.seconds or 32 * 86_400) for interval in Interval}


class Due(NamedTuple):
    """A series with bars from ``start`` on that history should tell; they can be had until ``deadline``."""

    deadline: datetime
    start: datetime
    symbol: Symbol
    interval: Interval


def reconcile(now: datetime, *, key: str | None = None) -> str:
    """Order a run over what is due; in words what it is. Tells splits that were found and not told, too.

    The same ``key``, which names a turn of the schedule, makes no second run. Raises StoreUnavailable.
    """
    store = database()
    announcing.announce_all(store)
    _forget(now)
    chosen = _chosen(due(store, now))
    if not chosen:
        return "nothing to reconcile"
    run, is_new = runs.start(
        runs.Order(
            series=[(one.symbol, one.interval) for one in chosen],
            start=min(_with_last_unknown(one) for one in chosen),
            kind=SyncRun.Kind.RECONCILE,
            priority=SyncRun.Priority.SOON,
            idempotency_key=key,
        )
    )
    return f"run {run.pk}: {len(chosen)} series" if is_new else f"run {run.pk} was made before"


def _with_last_unknown(one: Due) -> datetime:
    """A stream begins right after a sync was ordered, which could not tell yet of the bar before whether it is absent
    or late: so that one is asked for, too.
    """
    return one.start - timedelta(seconds=(one.interval.seconds or 0) + 2 * GRACE_SECONDS)


def due(store: Database[Document], now: datetime) -> list[Due]:
    """Series with settled bars that history has not told, nobody asks for, and it was not asked for since they settled.

    Those that are lost first come first.
    """
    with unavailable():
        found = list(store[SERIES].find({"unconfirmed": {"$lt": now}}, {"unconfirmed": 1, "version": 1}))
    places = {document["_id"]: document for document in found}
    asked, busy = _asked(), _busy()
    windows = {name: _window_bars(name) for name in {symbol.provider for symbol in Symbol.objects.active()}}
    waiting = []
    for symbol, interval in _series(places):
        if (symbol.pk, interval.value) not in busy:
            instrument, window = symbol.instrument(), windows[symbol.provider]
            place = places[series.identity(instrument, interval)]
            search = _Search(store, instrument, interval, window, now)
            start = search.first(place, asked.get((symbol.pk, interval.value)))
            if start is not None and search.settles_at(start) <= now:
                waiting.append(Due(search.lost_at(start), start, symbol, interval))
    return sorted(waiting, key=lambda one: (one.deadline, one.start, one.symbol.pk))


def _series(places: Iterable[str]) -> Iterator[tuple[Symbol, Interval]]:
    wanted: dict[int, list[Interval]] = {}
    for identity in places:
        symbol_id, _, interval = identity.partition(":")
        wanted.setdefault(int(symbol_id), []).append(Interval(interval))
    for symbol in Symbol.objects.active():
        for interval in wanted.get(symbol.pk, ()):
            yield symbol, interval


@dataclass(frozen=True, slots=True)
class _Search:
    """For bars of one series that history has not told and still can."""

    store: Database[Document]
    instrument: Instrument
    interval: Interval
    window: int | None
    now: datetime

    def first(self, place: Document, asked_at: datetime | None) -> datetime | None:
        """The first such bar among those that had not settled when history was asked last; None if there is none.

        What it was asked for and did not tell is left to the other schedules. ``place``, the series, learns.
        """
        known = place["unconfirmed"]
        first = self._from(max(known, self._window_start() or known))
        if first != known:
            change = {"$set": {"unconfirmed": first}} if first else {"$unset": {"unconfirmed": ""}}
            with unavailable():
                # Unless bars were written meanwhile: it looks again in a minute.
                self.store[SERIES].update_one({"_id": place["_id"], "version": place["version"]}, change)
        if first is None or asked_at is None or self.settles_at(first) > asked_at:
            return first
        settling = timedelta(seconds=SETTLED_SECONDS + self.instrument.delay_seconds) + _LONGEST[self.interval]
        return self._from(max(first + timedelta(seconds=1), asked_at - settling))

    def settles_at(self, opens: datetime) -> datetime:
        """From when on history should tell the bar for good."""
        calendar = get_calendar(self.instrument.calendar)
        [(_, end)] = spans(calendar, self.interval, [seconds(opens)])
        return instant(end + calendar.auction_seconds + self.instrument.delay_seconds + SETTLED_SECONDS)

    def lost_at(self, opens: datetime) -> datetime:
        """When the bar leaves the provider's window."""
        if self.window is None:
            return _NEVER
        return leaves_window_at(self.instrument.calendar, self.interval, self.window, seconds(opens)) or _NEVER

    def _from(self, start: datetime) -> datetime | None:
        return unconfirmed_from(self.store, self.instrument, self.interval, start, self.now)

    def _window_start(self) -> datetime | None:
        if self.window is None:
            return None
        return instant(window_start(self.instrument.calendar, self.interval, self.window, seconds(self.now)))


def _asked() -> dict[tuple[int, str], datetime]:
    """When each series was last asked for and answered."""
    answered = SyncItem.objects.filter(run__kind=SyncRun.Kind.RECONCILE, state__in=SyncItem.ENDED)
    rows = answered.order_by().values_list("symbol", "interval").annotate(at=Max("started_at"))
    return {(symbol, interval): at for symbol, interval, at in rows if at}


def _busy() -> set[tuple[int, str]]:
    """Series that somebody asks for already, or that failed and were set aside a while ago."""
    waiting = SyncItem.objects.open().filter(priority__lte=SyncRun.Priority.SOON)
    failed = SyncItem.objects.filter(run__kind=SyncRun.Kind.RECONCILE, state=SyncItem.State.ERROR)
    return {*waiting.values_list("symbol", "interval"), *failed.values_list("symbol", "interval")}


def _chosen(waiting: Iterable[Due]) -> list[Due]:
    """As many of each provider as its requests of a minute allow, less those that are under way."""
    busy = SyncItem.objects.open().filter(run__kind=SyncRun.Kind.RECONCILE)
    taken = Counter(busy.order_by().values_list("provider", flat=True))
    chosen = []
    for one in waiting:
        provider = one.symbol.provider
        if taken[provider] < allowed(provider):
            taken[provider] += 1
            chosen.append(one)
    return chosen


def allowed(provider: str) -> int:
    """How many series of a provider are reconciled at most a minute."""
    per_minute = settings.REQUESTS_PER_MINUTE.get(provider)
    return max(1, min(MOST_A_MINUTE, int(per_minute * SHARE))) if per_minute else MOST_A_MINUTE


def _window_bars(provider: str) -> int | None:
    try:
        return provider_named(provider).capabilities.window_bars
    except InvalidRequest:
        return None


def _forget(now: datetime) -> None:
    """A run a minute is soon too many to look at; what they did stands in the fidelity of each series."""
    finished = SyncRun.objects.filter(kind=SyncRun.Kind.RECONCILE)
    finished.filter(state=SyncRun.State.COMPLETED, finished_at__lt=now - _KEPT).delete()
    finished.filter(finished_at__lt=now - _FAILED_KEPT).delete()

"""History: plan -> provider -> bars -> repository, for one series at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from pymongo.database import Database

from domain.bar import Bar
from domain.coverage import Reason
from domain.errors import StoreUnavailable
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.announcing import announce
from marketdata.bar_reader import BATCH
from marketdata.documents import instant, seconds
from marketdata.learning import note_asked
from marketdata.ledger import CoverageLedger
from marketdata.mongo import Document, database
from marketdata.plan import PlannedRequest, SeriesPlan, plan_series
from marketdata.repository import BarRepository, SaveResult
from marketdata.series import Series
from marketdata.signals import bars_synced
from marketdata.sync_results import Guard, SyncResult, Unguarded
from marketdata.unconfirmed import unconfirmed_from
from marketdata.window import window_start
from providers.base import BarPage, Provider

# Where "as far back as there is anything" begins; no exchange is older.
_FAR_PAST = datetime(1700, 1, 1, tzinfo=UTC)
_WITNESSES = 40  # bars that history tells once more: enough to know a split by

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSync:
    """The sync of one series between a provider and a store."""

    instrument: Instrument
    interval: Interval
    provider: Provider
    database: Database[Document]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def plan(self, start: datetime | None, end: datetime | None, *, missing_only: bool) -> SeriesPlan:
        """What ``run`` would ask for; nothing is asked. Raises StoreUnavailable, UnsupportedInterval."""
        now, repository = self.clock(), BarRepository(self.database)
        if missing_only:  # bars may have been taken away behind our back
            ledger, begins = CoverageLedger(self.database), start or self._window_start()
            ledger.check(self.instrument, self.interval, begins, end or now)
        known = repository.series(self.instrument, self.interval)
        unconfirmed = self._unconfirmed(known, start, end or now, now) if known and missing_only else None
        return plan_series(
            self.instrument,
            self.interval,
            start,
            end,
            ledger=CoverageLedger(self.database),
            capabilities=self.provider.capabilities,
            now=now,
            missing_only=missing_only,
            newest=known.last if known else None,
            unconfirmed_from=unconfirmed,
        )

    def _unconfirmed(self, known: Series, start: datetime | None, end: datetime, now: datetime) -> datetime | None:
        """From when on history has not confirmed what is stored, as far back as the provider can tell."""
        if known.unconfirmed is None:
            return None
        earliest, window = max(known.unconfirmed, start or known.unconfirmed), self.provider.capabilities.window_bars
        if window:
            begins = window_start(self.instrument.calendar, self.interval, window, seconds(now))
            earliest = max(earliest, instant(begins))
        if earliest >= end:
            return None
        return unconfirmed_from(self.database, self.instrument, self.interval, earliest, end)

    def run(self, plan: SeriesPlan, guard: Guard | None = None) -> SyncResult:
        """Ask for what is planned and store it, oldest first; see what is missing afterwards.

        Safe to repeat: what is stored and equal is not written. Raises ProviderError, UnknownSymbol,
        UnsupportedInterval, StoreUnavailable.
        """
        guard = guard or Unguarded()
        result = SyncResult(truncated_before=plan.truncated_before, reason=plan.reason)
        for request in plan.requests:
            if not guard.ask(request.pages):
                return result._replace(resume_from=request.start)
            result = self._request(request, result, guard)
            if result.resume_from is not None:
                return result
        return result._replace(missing=self._missing(plan, result.truncated_before or plan.start))

    def _request(self, request: PlannedRequest, result: SyncResult, guard: Guard) -> SyncResult:
        asked_at, repository = self.clock(), BarRepository(self.database)
        start = _FAR_PAST if request.to_the_beginning else self._with_witnesses(request)
        pages = list(self.provider.fetch_bars(self.instrument, self.interval, start, request.end))
        for page in _oldest_first(pages):
            if guard.is_stopped():
                return result._replace(resume_from=page[0].open_time)
            saved = SaveResult(*result[:4]).plus(
                repository.save(self.instrument, self.interval, page, fence=guard.fence)
            )
            result = result._replace(
                **saved._asdict(), first=result.first or page[0].open_time, last=page[-1].open_time
            )
        truncated, reason = _edge(pages)
        note_asked(
            self.database,
            self.instrument,
            self.interval,
            min(request.start, result.first) if request.to_the_beginning and result.first else request.start,
            request.end,
            asked_at=asked_at,
            truncated_before=truncated,
            reason=reason,
        )
        if truncated is not None:
            result = result._replace(truncated_before=truncated, reason=reason)
        return result._replace(pages=result.pages + max(len(pages), 1))

    def _with_witnesses(self, request: PlannedRequest) -> datetime:
        """From when on to ask, so that the newest bars of history come again that it has told before.

        They show whether it has been put on another scale since, by a split. Providers page backwards from now, so that
        they cost nothing.
        """
        repository = BarRepository(self.database)
        known = repository.series(self.instrument, self.interval)
        if known is None or known.last >= request.end:
            return request.start
        earliest = max(known.first, self._window_start() or known.first)
        for position in (_WITNESSES - 1, 0):
            key = repository.key_at(
                self.instrument,
                self.interval,
                earliest,
                request.start,
                position=position,
                newest_first=position > 0,
            )
            if key is not None:
                return instant(key)
        return request.start

    def _window_start(self) -> datetime | None:
        """From when on the provider has anything; None: no limit."""
        bars = self.provider.capabilities.window_bars
        if not bars:
            return None
        return instant(window_start(self.instrument.calendar, self.interval, bars, seconds(self.clock())))

    def _missing(self, plan: SeriesPlan, begins: datetime) -> int:
        """Bars of the plan's range, from where the provider begins, that a later sync should ask for."""
        holes = CoverageLedger(self.database).holes(
            self.instrument,
            self.interval,
            max(plan.start, begins),
            plan.end,
            now=self.clock(),
            window_bars=self.provider.capabilities.window_bars,
        )
        return sum(hole.bars for hole in holes if hole.reason not in (Reason.BEYOND_WINDOW, Reason.NONE_AT_PROVIDER))


def sync_latest(
    *, instrument: Instrument, interval: Interval, now: datetime, provider: Provider, database: Database[Document]
) -> SyncResult:
    """Bring a series up to ``now``, as far back as the provider goes; tell ``bars_synced`` of changes."""
    sync = SeriesSync(instrument=instrument, interval=interval, provider=provider, database=database, clock=lambda: now)
    result = sync.run(sync.plan(None, now, missing_only=True))
    tell(instrument, interval, result)
    return result


def tell(instrument: Instrument, interval: Interval, result: SyncResult) -> None:
    """Send ``bars_synced`` if bars have changed, and ``split_found`` if that told of a split.

    While MongoDB is away a split is told later, by ``announce_all``.
    """
    if result.is_changed:
        try:
            announce(database(), instrument, interval)
        except StoreUnavailable as error:
            log.info("split_told_later", symbol=instrument.symbol, interval=interval.value, reason=str(error))
        bars_synced.send_robust(
            sender="marketdata",
            symbol=instrument.symbol,
            interval=interval,
            first=result.first,
            last=result.last,
        )


def _oldest_first(pages: list[BarPage]) -> Iterator[list[Bar]]:
    """The bars of all pages in pieces that are stored whole, by time, though providers may page backwards.

    A small page is none of its own: a split is told by many bars together, and one that is stored before it was seen
    would be taken for a correction. A window of history is small enough to hold.
    """
    ordered = sorted((page for page in pages if page), key=lambda page: page[0].open_time)
    bars = [bar for page in ordered for bar in page]
    for position in range(0, len(bars), BATCH):
        yield bars[position : position + BATCH]


def _edge(pages: list[BarPage]) -> tuple[datetime | None, str]:
    """From when on there is anything, if the provider said so, and why."""
    for page in pages:
        if page.truncated_before is not None:
            return page.truncated_before, page.reason
    return None, ""

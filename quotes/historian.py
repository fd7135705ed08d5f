"""Asks history for what the fold has not heard, in the background, and tries again where it does not answer.

Healing of longer holes, their ledger and deadlines have their place here; today the queue's syncs fill them.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import structlog

from domain.bar import Bar
from domain.errors import PocketQuantError, UnsupportedInterval
from domain.instrument import Instrument
from domain.interval import Interval
from marketdata.repository import BarRepository
from providers.base import Provider
from quotes.audit import AuditTrail
from quotes.seeding import closed_bars, healing_bars
from quotes.stream import Streamer
from quotes.threads import WorkerThread
from quotes.writer import Writer

_LOOK_SECONDS = 0.25
_LATENESS_SECONDS = 10  # until then our own late ticks may still amend the minute
_SERVED_AFTER_SECONDS = 2  # providers need a moment to close their bar
_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 5.0, 60.0
_MOST_TRIES = 12  # about ten minutes; later the next sync finds the minute

_T = TypeVar("_T")
log = structlog.get_logger(__name__)


class Work(NamedTuple):
    """Something to ask for at ``due`` (epoch seconds): a minute to heal, or the parents to seed if None."""

    due: float
    tries: int


class Historian:
    """One for all feeds, with a thread for each, so that a provider that is away holds up only its own symbols."""

    def __init__(
        self,
        *,
        streamer: Streamer,
        writer: Writer,
        audit: AuditTrail,
        repository: Callable[[], BarRepository | None],
        open_provider: Callable[[str], Provider],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._streamer, self._writer, self._audit = streamer, writer, audit
        self._repository, self._open_provider, self._clock = repository, open_provider, clock
        self._threads: dict[str, WorkerThread] = {}
        self._providers: dict[str, Provider] = {}
        self._seeds: dict[str, Work] = {}
        self._minutes: defaultdict[str, dict[int, Work]] = defaultdict(dict)
        self._busy: dict[str, asyncio.Task[None]] = {}

    def seed_soon(self, symbol: str) -> None:
        """The parents of this symbol have holes: ask for their closed part now."""
        self._seeds[symbol] = Work(self._clock(), 0)

    async def run(self) -> None:
        """Look for work until cancelled. One piece of work a symbol at a time."""
        try:
            while True:
                self.look()
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            for task in self._busy.values():
                task.cancel()

    def look(self) -> None:
        """Start what is due."""
        self._take_orders()
        now = self._clock()
        for symbol in {*self._seeds, *self._minutes}:
            instrument = self._streamer.instruments.get(symbol)
            if instrument is None:
                self._seeds.pop(symbol, None)
                self._minutes.pop(symbol, None)
            elif symbol not in self._busy and self._is_due(symbol, now):
                task = asyncio.create_task(self._serve(instrument, now))
                self._busy[symbol] = task
                task.add_done_callback(partial(self._done, symbol))

    def close(self) -> None:
        for thread in self._threads.values():
            thread.close()

    def _done(self, symbol: str, _: asyncio.Task[None]) -> None:
        self._busy.pop(symbol, None)

    def _take_orders(self) -> None:
        for symbol, minute in self._streamer.aggregator.take_healing():
            instrument = self._streamer.instruments.get(symbol)
            if instrument is not None:
                ready = minute + 60 + instrument.delay_seconds + _LATENESS_SECONDS + _SERVED_AFTER_SECONDS
                self._minutes[symbol].setdefault(minute, Work(ready, 0))

    def _is_due(self, symbol: str, now: float) -> bool:
        works = [*self._minutes.get(symbol, {}).values(), *([self._seeds[symbol]] if symbol in self._seeds else [])]
        return any(work.due <= now for work in works)

    async def _serve(self, instrument: Instrument, now: float) -> None:
        symbol = instrument.symbol
        minutes = {minute: work for minute, work in self._minutes.get(symbol, {}).items() if work.due <= now}
        seed = self._seeds.get(symbol)
        try:
            if minutes:
                await self._heal(instrument, list(minutes), now)
            if seed is not None and seed.due <= now:
                await self._seed(instrument, int(now) - instrument.delay_seconds)
        except UnsupportedInterval as error:  # asking again would get the same answer
            log.warning("history_has_another_grid", symbol=symbol, reason=str(error))
            self._give_up(symbol, minutes, seed, str(error))
        except PocketQuantError as error:
            log.warning("history_not_asked", symbol=symbol, reason=str(error))
            self._put_off(instrument, minutes, seed, str(error))
        except Exception as error:
            log.exception("history_failed", symbol=symbol)
            self._put_off(instrument, minutes, seed, f"{type(error).__name__}: {error}")

    async def _heal(self, instrument: Instrument, minutes: list[int], now: float) -> None:
        symbol = instrument.symbol
        ended = int(now) - instrument.delay_seconds - _SERVED_AFTER_SECONDS
        found = await self._ask(instrument, healing_bars, minutes, now=ended)
        if symbol not in self._streamer.instruments:
            return
        for bars in found.values():
            for bar in bars:
                self._writer.put(instrument, bar)
        served = {int(bar.open_time.timestamp()) for bar in found.get(Interval.M1, ())}
        healed = [bar for bars in found.values() for bar in bars]
        await self._seed(instrument, max(minutes) + 60, healed, is_settled=True)
        for minute in minutes:
            if minute in served:
                del self._minutes[symbol][minute]
                self._audit.note("healed", symbol=symbol, reason=f"minute {minute} from history")
            else:
                self._try_again(instrument, minute, "history has no bar of this minute")

    async def _seed(
        self, instrument: Instrument, through: int, extra: Iterable[Bar] = (), *, is_settled: bool = False
    ) -> None:
        """Seed the parents through ``through``; a later order that came meanwhile stays.

        ``is_settled``: ``through`` is long enough ago for the provider to serve all before it, so a minute that history
        does not have had no trade. Earlier a bar may just not be served yet.
        """
        symbol, order = instrument.symbol, self._seeds.get(instrument.symbol)
        through -= through % 60
        wanted = self._streamer.aggregator.wanted_history(symbol, through)
        bars = await self._ask(instrument, closed_bars, wanted, repository=await self._store(instrument))
        if symbol not in self._streamer.instruments:
            return
        since = 0 if is_settled else None
        self._streamer.aggregator.seed(symbol, [*extra, *bars], through=through, since=since)
        self._streamer.hand_on()
        if self._seeds.get(symbol) is order:
            self._seeds.pop(symbol, None)
        log.info("seeded", symbol=symbol, bars=len(bars), through=through)

    async def _store(self, instrument: Instrument) -> BarRepository | None:
        return await self._thread(instrument.provider).run(self._repository)

    async def _ask(self, instrument: Instrument, function: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:
        """``function(instrument, …, provider=…)`` in the provider's thread."""

        def call() -> _T:
            name = instrument.provider
            if name not in self._providers:
                self._providers[name] = self._open_provider(name)
            return function(instrument, *args, **kwargs, provider=self._providers[name])

        return await self._thread(instrument.provider).run(call)

    def _thread(self, name: str) -> WorkerThread:
        if name not in self._threads:
            self._threads[name] = WorkerThread(f"history {name}")
        return self._threads[name]

    def _put_off(self, instrument: Instrument, minutes: dict[int, Work], seed: Work | None, reason: str) -> None:
        for minute in minutes:
            if minute in self._minutes[instrument.symbol]:
                self._try_again(instrument, minute, reason)
        if seed is not None and self._seeds.get(instrument.symbol) is seed:
            self._seeds[instrument.symbol] = self._later(seed)

    def _give_up(self, symbol: str, minutes: dict[int, Work], seed: Work | None, reason: str) -> None:
        for minute in minutes:
            if self._minutes[symbol].pop(minute, None):
                self._audit.note("not_healed", symbol=symbol, reason=f"minute {minute}: {reason}")
        if seed is not None and self._seeds.get(symbol) is seed:
            del self._seeds[symbol]

    def _try_again(self, instrument: Instrument, minute: int, reason: str) -> None:
        minutes = self._minutes[instrument.symbol]
        if minutes[minute].tries + 1 >= _MOST_TRIES:
            del minutes[minute]
            self._audit.note("not_healed", symbol=instrument.symbol, reason=f"minute {minute}: {reason}")
        else:
            minutes[minute] = self._later(minutes[minute])

    def _later(self, work: Work) -> Work:
        pause = min(_FIRST_RETRY_SECONDS * 2**work.tries, _LAST_RETRY_SECONDS)
        return Work(self._clock() + pause, work.tries + 1)

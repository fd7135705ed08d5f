"""The status of every followed symbol, kept current and told when it changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from domain.calendars import get_calendar
from domain.errors import UnknownCalendar
from domain.instrument import Instrument
from quotes.status import Endpoint, Rhythm, Session, Status, judge

log = structlog.get_logger(__name__)


class StatusBoard:
    """One judgement a symbol; ``tell(symbol, status)`` is called whenever one says something new.

    Two clocks are arguments everywhere: ``now`` monotonic seconds, ``wall`` epoch seconds.
    """

    def __init__(self, tell: Callable[[str, Status], None]) -> None:
        self._tell = tell
        self._rhythms: dict[str, Rhythm] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._instruments: dict[str, Instrument] = {}
        self._sessions: dict[str, tuple[Session, float]] = {}  # with the epoch second until which it holds
        self._told: dict[str, Status] = {}

    def follow(self, instrument: Instrument, endpoint: Endpoint, now: float) -> None:
        symbol = instrument.symbol
        self._instruments[symbol], self._endpoints[symbol] = instrument, endpoint
        self._sessions.pop(symbol, None)
        rhythm = self._rhythms.setdefault(symbol, Rhythm(last_at=now))
        rhythm.delay_seconds = instrument.delay_seconds

    def forget(self, symbol: str) -> None:
        for table in (self._rhythms, self._endpoints, self._instruments, self._sessions, self._told):
            table.pop(symbol, None)

    def heard(self, symbol: str, now: float) -> None:
        """Data of this symbol arrived."""
        rhythm = self._rhythms.get(symbol)
        if rhythm is not None:
            rhythm.beat(now)
            self._endpoints[symbol].alive_at = now

    def subscribed(self, symbol: str, now: float) -> None:
        """Its silence counts from here."""
        rhythm = self._rhythms.get(symbol)
        if rhythm is not None:
            rhythm.last_at, rhythm.heard, rhythm.error = now, False, ""
            self._endpoints[symbol].alive_at = now

    def probed(self, symbol: str, now: float) -> None:
        """The provider answered for this symbol: it is quiet, not dead."""
        rhythm = self._rhythms.get(symbol)
        if rhythm is not None:
            rhythm.probed_at = now
            self._endpoints[symbol].alive_at = now

    def refused(self, symbol: str, reason: str) -> None:
        if symbol in self._rhythms:
            self._rhythms[symbol].error = reason or "refused by the provider"

    def delayed(self, symbol: str, seconds: int) -> None:
        if symbol in self._rhythms:
            self._rhythms[symbol].delay_seconds = seconds

    def review(self, now: float, wall: float) -> None:
        """Judge all symbols anew."""
        for symbol in self._rhythms:
            self._review(symbol, now, wall)

    def current(self, symbol: str) -> Status | None:
        return self._told.get(symbol)

    def _review(self, symbol: str, now: float, wall: float) -> None:
        rhythm, endpoint = self._rhythms[symbol], self._endpoints[symbol]
        session = self._session(symbol, wall - rhythm.delay_seconds)
        state, reason = judge(endpoint, rhythm, session, now)
        told = self._told.get(symbol)
        since = told.since if told is not None and told.state == state else datetime.fromtimestamp(wall, UTC)
        status = Status(
            state=state,
            since=since,
            reason=reason,
            delay_seconds=rhythm.delay_seconds,
            opens_at=session.opens_at,
            retry_at=endpoint.retry_at,
        )
        if not status.says_the_same_as(told):
            self._told[symbol] = status
            self._tell(symbol, status)

    def _session(self, symbol: str, at: float) -> Session:
        known = self._sessions.get(symbol)
        if known is None or at >= known[1]:
            known = self._sessions[symbol] = _session_at(self._instruments[symbol], int(at))
        return known[0]


def _session_at(instrument: Instrument, at: int) -> tuple[Session, float]:
    """Whether the market is open at epoch second ``at``, and until when that holds."""
    try:
        calendar = get_calendar(instrument.calendar)
        if calendar.is_open(at):
            until = calendar.next_close(at)
            return Session(is_open=True), float("inf") if until is None else until
        opens = calendar.next_open(at)
    except UnknownCalendar as error:
        log.warning("calendar_unknown", symbol=instrument.symbol, reason=str(error))
        return Session(is_open=True), at + 3_600.0
    opens_at = (
        None if opens is None else datetime.fromtimestamp(opens, UTC) + timedelta(seconds=instrument.delay_seconds)
    )
    return Session(is_open=False, opens_at=opens_at), at + 86_400.0 if opens is None else opens

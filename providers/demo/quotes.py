"""The tape: what subscribers of a symbol are told, trade by trade."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import orjson

from providers.demo.instruments import Listing
from providers.demo.market import DemoMarket
from providers.demo.prints import Print, last_print
from providers.demo.symbol_info import quote_fields

_BOOK_EVERY = 4  # trades per change of bid and ask that comes alone
_CONFLATION_LIMIT_MS = 1_000
_SESSION_CHECK_MS = 1_000

Fields = dict[str, object]
FieldSet = frozenset[str] | None  # None: all


class Update:
    """Changed fields of one symbol, encoded once for each key and set of fields that subscribers use."""

    __slots__ = ("_encoded", "fields")

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self._encoded: dict[tuple[str, FieldSet], bytes | None] = {}

    def quote(self, key: str, wanted: FieldSet) -> bytes | None:
        """The second parameter of a qsd; None when nothing that is wanted changed. ``key`` is told verbatim."""
        place = (key, wanted)
        if place not in self._encoded:
            fields = self.fields
            values = fields if wanted is None else {name: fields[name] for name in fields if name in wanted}
            self._encoded[place] = orjson.dumps({"n": key, "s": "ok", "v": values}) if values else None
        return self._encoded[place]


class Opening(NamedTuple):
    """Where a tape begins: the last trade at that time."""

    at_ms: int
    last: Print | None


class Tape:
    """The trades of one symbol as they happen, each turned into the fields that it changes.

    ``conflate`` trades make one update, as real quote feeds do; 1 tells each trade. Times are the symbol's, that is
    less its delay.
    """

    def __init__(self, market: DemoMarket, listing: Listing, opening: Opening, conflate: int = 1) -> None:
        self.listing = listing
        self._conflate = conflate
        self._splits = market.splits
        self._timetable = market.history.timetable(listing)
        self._is_open = self._timetable.is_open(opening.at_ms // 1_000)
        self._next_session_check = opening.at_ms + _SESSION_CHECK_MS
        self._prints: Iterator[Print] = market.prints(listing, opening.at_ms)
        self._next = next(self._prints)
        self._last = opening.last or self._next
        self._told = self._state(self._last) | self._book(self._last)
        self._held = 0

    @staticmethod
    def opening(market: DemoMarket, listing: Listing, now_ms: int) -> Opening:
        """The state at ``now_ms``. May take a second when the listing's calendar was not asked before."""
        at_ms = now_ms - listing.delay_seconds * 1_000
        return Opening(at_ms, last_print(market.history, listing, at_ms))

    def snapshot(self) -> Update:
        """Every field that is known."""
        return Update(quote_fields(self.listing) | self._told | {"current_session": self._session()})

    def advance(self, now_ms: int) -> list[Update]:
        """What changed up to ``now_ms``, in order: one update a trade, some followed by one of bid and ask alone."""
        at_ms = now_ms - self.listing.delay_seconds * 1_000
        updates: list[Update] = []
        if at_ms >= self._next_session_check:
            self._next_session_check = at_ms + _SESSION_CHECK_MS
            self._check_session(at_ms, updates)
        while self._next.time_ms <= at_ms:
            self._last, self._next = self._next, next(self._prints)
            self._held += 1
            if self._held >= self._conflate:
                self._tell(updates)
        if self._held and at_ms - self._last.time_ms >= _CONFLATION_LIMIT_MS:
            self._tell(updates)
        return updates

    def _check_session(self, at_ms: int, updates: list[Update]) -> None:
        is_open = self._timetable.is_open(at_ms // 1_000)
        if is_open != self._is_open:
            self._is_open = is_open
            updates.append(Update({"current_session": self._session()}))

    def _tell(self, updates: list[Update]) -> None:
        self._held = 0
        self._add_changes(self._state(self._last), updates)
        if self._last.number % _BOOK_EVERY == 0:
            self._add_changes(self._book(self._last), updates)

    def _add_changes(self, state: Fields, updates: list[Update]) -> None:
        told = self._told
        changed = {name: value for name, value in state.items() if told.get(name) != value}
        if changed:
            told.update(changed)
            updates.append(Update(changed))

    def _session(self) -> str:
        return "market" if self._is_open else "out_of_session"

    def _state(self, trade: Print) -> Fields:
        """The fields that trades move. Times are whole seconds, volume is the day's so far."""
        listing = self.listing
        trade, price = self._splits.trade(listing, trade), listing.price
        state: Fields = {"volume": listing.volume(trade.volume)} if listing.has_volume else {}
        state |= {
            "lp": price(trade.price),
            "lp_time": trade.time_ms // 1_000,
            "ch": price(trade.price - trade.previous_close),
            "chp": round((trade.price - trade.previous_close) * 100 / trade.previous_close, 2),
            "open_price": price(trade.open),
            "high_price": price(trade.high),
            "low_price": price(trade.low),
            "prev_close_price": price(trade.previous_close),
            "regular_close": price(trade.previous_close),
            "open_time": self._timetable.opens[trade.day],
        }
        return state

    def _book(self, trade: Print) -> Fields:
        listing = self.listing
        if not listing.has_volume:  # an index has no book
            return {}
        trade = self._splits.trade(listing, trade)
        chance = trade.number * 0x9E3779B1 & 0xFFFFFFFF
        below = (chance >> 16) % (listing.spread_ticks + 1)
        bid = max(trade.price - below, 1)
        return {
            "bid": listing.price(bid),
            "ask": listing.price(bid + listing.spread_ticks),
            "bid_size": listing.volume(1 + chance % (listing.mean_size * 8)),
            "ask_size": listing.volume(1 + (chance >> 8) % (listing.mean_size * 8)),
        }

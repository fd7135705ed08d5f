"""The conversation on one connection after another: messages in, events and messages out. No socket, no clock.

``Session`` knows what every connection has (token, hello, heartbeats, faults), ``StreamSession`` follows quotes;
``charts.py`` loads history over the same base.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from domain.errors import ProtocolError
from domain.instrument import Instrument
from providers.base import FeedEvent, FeedEventKind, StreamEvent
from providers.tradingview.codec import encode, encode_call, is_heartbeat, split
from providers.tradingview.feed import QuoteFeed
from providers.tradingview.messages import (
    BROKEN,
    FIELDS_MARK,
    QUOTE_END,
    QUOTE_START,
    Call,
    QuoteData,
    Unreadable,
    decode_fields,
    decode_trade,
    parse_call,
    parse_quote,
)
from providers.tradingview.quotes import SymbolQuote

ANONYMOUS = "unauthorized_user_token"
_NOT_PLAIN = (KeyError, *BROKEN)
_MARK = b"~m~"
_BETWEEN = QUOTE_END + _MARK
_LONGEST_HEARTBEAT = 32
_MOST_KNOWN = 50_000  # a symbol has some dozens: one for each length of its updates

# Whose update it is, how long it is, what decodes its fields and what takes them in.
_Way = tuple[SymbolQuote, int, Callable[[bytes], Any], Callable[[Any, int, list[StreamEvent]], None]]


class Session:
    """What all conversations share. Calls to send gather in ``outgoing``; ``garbage`` counts what was unreadable."""

    def __init__(self, *, token: str = "", random: Callable[[], float]) -> None:
        self._token = token
        self._random = random
        self._faults: list[ProtocolError] = []
        self.outgoing: list[str] = []
        self.garbage = 0

    def open(self, now_ns: int) -> None:
        """A new connection; the service greets it (hello) and needs no wait for that."""
        self.outgoing.clear()
        self.outgoing.append(encode_call("set_auth_token", [self._token or ANONYMOUS]))
        self.outgoing.append(encode_call("set_locale", ["en", "US"]))

    def take_outgoing(self) -> list[str]:
        """The messages to send now, oldest first."""
        taken, self.outgoing[:] = list(self.outgoing), []
        return taken

    def receive(self, message: bytes, now_ns: int, events: list[StreamEvent]) -> None:
        """Take in one message. Raises ProtocolError where the service ends the connection; what came before it in
        the message is in ``events`` all the same."""
        for payload in split(message, self._faults):
            self._read(payload, now_ns, events)
        if self._faults:
            self._report(now_ns, events)

    def _read(self, payload: bytes, now_ns: int, events: list[StreamEvent]) -> None:
        try:
            if payload.startswith(QUOTE_START):
                self._quote(*parse_quote(payload), now_ns, events)
            else:
                self._other(payload, now_ns, events)
        except Unreadable as error:
            self._faults.append(error)

    def _other(self, payload: bytes, now_ns: int, events: list[StreamEvent]) -> None:
        if is_heartbeat(payload):
            if len(payload) <= _LONGEST_HEARTBEAT:
                self.outgoing.append(encode(payload))
            return
        call = parse_call(payload)
        if call.m == "qsd":  # written with another order of keys
            self._quote(*parse_quote(payload), now_ns, events)
        elif call.m == "protocol_error":
            raise ProtocolError(f"the provider ended the conversation: {call.text(0)[:200]}")
        elif call.m:
            self._call(call, now_ns, events)

    def _quote(self, session_id: str, data: QuoteData, now_ns: int, events: list[StreamEvent]) -> None:
        """A ``qsd``; ignored where no quotes are followed."""

    def _call(self, call: Call, now_ns: int, events: list[StreamEvent]) -> None:
        """Any other call; those that are not known are ignored."""

    def _report(self, now_ns: int, events: list[StreamEvent]) -> None:
        """Count faults; told at 1, 2, 4, 8, … so that a broken feed does not flood whoever listens."""
        for fault in self._faults:
            self.garbage += 1
            if self.garbage & (self.garbage - 1) == 0:
                reason = f"{fault} (unreadable so far: {self.garbage})"
                time = datetime.fromtimestamp(now_ns / 10**9, UTC)
                events.append(FeedEvent(kind=FeedEventKind.GARBAGE, time=time, reason=reason))
        self._faults.clear()


class StreamSession(Session):
    """Follows the quotes of the desired instruments over any number of connections."""

    def __init__(self, *, token: str = "", random: Callable[[], float]) -> None:
        super().__init__(token=token, random=random)
        self._feed = QuoteFeed(self.outgoing, random)
        # How messages with one update begin, and how long they are; the same of packets between others.
        self._known: dict[bytes, _Way] = {}
        self._known_inside: dict[bytes, _Way] = {}
        self.has_data = False
        self.take_quotes = self._feed.take_quotes
        self.baselines, self.restore = self._feed.baselines, self._feed.restore
        self.wake = self._feed.wake
        self.hold = self._feed.hold

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to follow."""
        return self._feed.is_wanted

    @property
    def has_news(self) -> bool:
        """Whether a symbol spoke since ``take_quotes`` was last called."""
        return self._feed.has_news

    def follow(self, instruments: Iterable[Instrument], now_ns: int) -> None:
        """Make the followed instruments these, now and on every later connection."""
        self._feed.follow(instruments, now_ns)

    def open(self, now_ns: int) -> None:
        super().open(now_ns)
        self.has_data = False
        self._known.clear()
        self._known_inside.clear()
        self._feed.open(now_ns)

    def close(self) -> None:
        """The connection is gone."""
        self._feed.close()
        self.outgoing.clear()

    def receive(self, message: bytes, now_ns: int, events: list[StreamEvent]) -> None:
        """The short way for what nearly all traffic is: one packet that holds an update of a subscribed symbol.

        Such a message begins with bytes that were seen before (its length, session and symbol), so if it is as long as
        they say, only the fields are left to decode. Anything else is read the long way.
        """
        head, _, rest = message.partition(FIELDS_MARK)
        try:
            quote, size, decode, take = self._known[head]
            # Without its end, or with anything more, what is left is no JSON.
            changed = decode(rest.removesuffix(QUOTE_END)) if size == len(message) and quote.is_settled else None
        except _NOT_PLAIN:
            changed = None
        if changed is None:
            self._receive_many(message, now_ns, events)
            return
        if not quote.is_touched:
            self._feed.touch(quote)
        take(changed, now_ns, events)

    def _receive_many(self, message: bytes, now_ns: int, events: list[StreamEvent]) -> None:
        """The short way for several packets in one message, up to the first whose length is not what it says.

        Where a packet's length is right, so is the place of the next one.
        """
        known, touch = self._known_inside, self._feed.touch
        is_usual = message.startswith(_MARK) and message.endswith(QUOTE_END)
        pieces = message[3:-3].split(_BETWEEN) if is_usual else [message]
        for position, piece in enumerate(pieces):
            head, _, fields = piece.partition(FIELDS_MARK)
            try:
                quote, size, decode, take = known[head]
                changed = decode(fields) if size == len(piece) and quote.is_settled else None
            except _NOT_PLAIN:
                changed = None
            if changed is not None:
                if not quote.is_touched:
                    touch(quote)
                take(changed, now_ns, events)
            elif is_usual and _is_whole(piece):
                self._read_slowly(_MARK + piece + QUOTE_END, now_ns, events)
            else:  # the long way tells what is wrong with it
                rest = _MARK + _BETWEEN.join(pieces[position:]) + QUOTE_END if is_usual else message
                self._read_slowly(rest, now_ns, events)
                break

    def _read_slowly(self, message: bytes, now_ns: int, events: list[StreamEvent]) -> None:
        """Packet by packet, remembering how the updates among them begin."""
        for payload in split(message, self._faults):
            self._read(payload, now_ns, events)
            head, _, rest = payload.partition(FIELDS_MARK)
            quote = self._feed.heads.get(head)
            if quote is not None and payload.isascii():
                self._remember(quote, head, rest, len(payload))
        if self._faults:
            self._report(now_ns, events)

    def _remember(self, quote: SymbolQuote, head: bytes, rest: bytes, length: int) -> None:
        """The next packet that begins so and is as long takes the short way."""
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
            self._known_inside.clear()
        start = b"%d~m~" % length
        size = len(start) + length - len(QUOTE_END)
        way = (decode_trade, quote.trade) if _is_trade(rest.removesuffix(QUOTE_END)) else (decode_fields, quote.update)
        self._known_inside[start + head] = (quote, size, *way)
        self._known[_MARK + start + head] = (quote, len(_MARK) + size + len(QUOTE_END), *way)

    def _quote(self, session_id: str, data: QuoteData, now_ns: int, events: list[StreamEvent]) -> None:
        self.has_data = True
        self._feed.receive(session_id, data, now_ns, events)

    def _call(self, call: Call, now_ns: int, events: list[StreamEvent]) -> None:
        if call.m == "quote_completed":
            self._feed.completed(call.text(0), call.text(1), now_ns, events)
        elif call.m == "critical_error":
            reason = f"{call.text(1)[:100]}: {call.text(2)[:200]}"
            if not self._feed.refuse(call.text(0), reason, now_ns, events):
                self._faults.append(ProtocolError(f"critical error of no session of ours: {reason}"))


def _is_whole(piece: bytes) -> bool:
    """Whether what stands between two packets' marks is exactly one packet, as long as it says."""
    length, mark, payload = piece.partition(_MARK)
    return bool(mark) and piece.isascii() and length == b"%d" % (len(payload) + len(QUOTE_END))


def _is_trade(fields: bytes) -> bool:
    """Whether an update holds nothing but what nearly all hold."""
    try:
        decode_trade(fields)
    except BROKEN:
        return False
    return True

"""The payloads of packets as typed values. Nothing foreign passes this module unchecked.

Messages other than hello and heartbeats are ``{"m": <method>, "p": [...]}``; ``qsd`` carries nearly all traffic
and is decoded straight into a struct, skipping the fields that nobody asked for.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from math import isfinite, trunc
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from domain.errors import ProtocolError

_MAX_PRICE = 1e15  # 1e+100 stands for "no value" at some indices
_MAX_VOLUME = 1e15  # whole numbers up to here are exact as doubles
_MAX_TIME = 2**33  # the year 2242; a bound so that a broken time cannot make an absurd key
_ALPHABET = string.ascii_letters + string.digits

# Values out of bounds make the typed decoder refuse; they are then read one by one and taken for "no value".
_Price = Annotated[float, msgspec.Meta(gt=-_MAX_PRICE, lt=_MAX_PRICE)] | UnsetType | None
_Volume = Annotated[float, msgspec.Meta(ge=0, le=_MAX_VOLUME)] | UnsetType | None
_Time = Annotated[int, msgspec.Meta(gt=0, lt=_MAX_TIME)] | UnsetType | None  # whole seconds


class TradeFields(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """What nearly every update is made of: UNSET where it does not say, None where it says "no value"."""

    volume: _Volume = UNSET
    lp: _Price = UNSET
    lp_time: _Time = UNSET
    bid: _Price = UNSET
    ask: _Price = UNSET


class QuoteFields(TradeFields, gc=False, forbid_unknown_fields=False):
    """All that we ask for of one symbol's quote, as in ``TradeFields``; other fields are skipped."""

    open_price: _Price = UNSET
    high_price: _Price = UNSET
    low_price: _Price = UNSET
    prev_close_price: _Price = UNSET
    update_mode: str | UnsetType | None = UNSET


# The order in which `quote_set_fields` asks for them.
QUOTE_FIELDS = QuoteFields.__struct_fields__


class QuoteData(msgspec.Struct, gc=False):
    """The second parameter of ``qsd``: ``n`` is the symbol's key, verbatim as it was subscribed."""

    n: str
    v: QuoteFields
    s: str = "ok"
    errmsg: str = ""


class QuoteMessage(msgspec.Struct, gc=False):
    """``qsd``: the session and one symbol's changed fields."""

    p: tuple[str, QuoteData]


class Call(msgspec.Struct, gc=False):
    """Any other message. ``m`` is empty for hello and for what we do not know; ``p`` may be shorter than expected."""

    m: str = ""
    p: list[Any] = []  # msgspec copies it

    def text(self, index: int) -> str:
        """Parameter ``index`` if there is such a text, else the empty text."""
        value = self.p[index] if index < len(self.p) else None
        return value if isinstance(value, str) else ""


# How the service writes an update: QUOTE_START … FIELDS_MARK, the fields, QUOTE_END.
QUOTE_START = b'{"m":"qsd"'
FIELDS_MARK = b'"ok","v":'
QUOTE_END = b"}]}"
decode_trade = msgspec.json.Decoder(TradeFields).decode
decode_fields = msgspec.json.Decoder(QuoteFields).decode


def quote_head(session_id: str, key: str) -> bytes:
    """How every update of a subscription begins, up to ``FIELDS_MARK``, as the service writes it."""
    session, name = msgspec.json.encode(session_id), msgspec.json.encode(key)
    return QUOTE_START + b',"p":[' + session + b',{"n":' + name + b',"s":'


class _LooseData(msgspec.Struct, gc=False):
    n: str
    v: dict[str, Any]
    s: str = "ok"
    errmsg: str = ""


class _LooseMessage(msgspec.Struct, gc=False):
    p: tuple[str, _LooseData]


_decode_quote = msgspec.json.Decoder(QuoteMessage).decode
_decode_loose = msgspec.json.Decoder(_LooseMessage).decode
_decode_call = msgspec.json.Decoder(Call).decode
# A deeply nested payload is the one thing that makes the decoder raise something else.
BROKEN = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


class Unreadable(ProtocolError):
    """One packet cannot be read; it is skipped and counted, the connection goes on."""


def parse_quote(payload: bytes) -> tuple[str, QuoteData]:
    """``payload`` as a ``qsd``: its session and what changed. Raises Unreadable.

    A field that is no sensible value of its kind is taken for "no value"; the others count.
    """
    try:
        return _decode_quote(payload).p
    except msgspec.ValidationError:
        pass
    except BROKEN as error:
        raise _unreadable(payload, error) from error
    try:
        session_id, loose = _decode_loose(payload).p
    except BROKEN as error:
        raise _unreadable(payload, error) from error
    fields = {name: _sane(name, value) for name, value in loose.v.items() if name in QUOTE_FIELDS}
    return session_id, QuoteData(loose.n, msgspec.convert(fields, QuoteFields), loose.s, loose.errmsg)


def _sane(name: str, value: object) -> object:
    """``value`` if it may stand in field ``name``, else None; of a time with a fraction the second counts."""
    if name == "lp_time" and isinstance(value, float) and isfinite(value):
        value = trunc(value)
    try:
        return msgspec.convert({name: value}, QuoteFields) and value
    except msgspec.ValidationError:
        return None


def parse_call(payload: bytes) -> Call:
    """``payload`` as a call; JSON without a method is hello or unknown. Raises Unreadable."""
    try:
        return _decode_call(payload)
    except BROKEN as error:
        raise _unreadable(payload, error) from error


def _unreadable(payload: bytes, error: Exception) -> Unreadable:
    return Unreadable(f"packet of {len(payload)} bytes is unreadable ({error}): {payload[:80]!r}")


def delay_of(update_mode: str | None) -> int:
    """Seconds by which a feed is late: 900 for ``delayed_streaming_900``; a day where only closes are given."""
    if update_mode and update_mode.startswith("delayed_streaming_"):
        digits = update_mode.removeprefix("delayed_streaming_")
        return int(digits) if digits.isdecimal() and len(digits) <= 6 else 0
    return 86_400 if update_mode == "endofday" else 0


def new_session_id(prefix: str, random: Callable[[], float]) -> str:
    """A fresh session id, as the web client makes them: ``qs_`` or ``cs_`` and 12 letters or digits."""
    return prefix + "".join(_ALPHABET[int(random() * len(_ALPHABET))] for _ in range(12))

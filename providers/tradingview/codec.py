"""Text <-> packets: the framing of TradingView's socket. No I/O.

A WebSocket text message is one or more packets back to back, ``~m~<LEN>~m~<PAYLOAD>``, nothing between or after.
LEN counts UTF-16 code units, as JavaScript's ``length`` does: neither bytes nor characters (docs/tradingview.md).
A payload is JSON or a heartbeat ``~h~<N>``, which the other side sends back unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from domain.errors import ProtocolError

MAX_MESSAGE_BYTES = 16 * 2**20  # 20,000 bars are about 2 MB
HEARTBEAT_PREFIX = b"~h~"

# Nine digits bound the work of int(); anything longer could not be in a message of the size that we accept.
_HEADER = re.compile(rb"~m~([0-9]{1,9})~m~")
_WIDE_HEADER = re.compile(rb"~\x00m\x00~\x00((?:[0-9]\x00){1,9})~\x00m\x00~\x00")


class Packets(NamedTuple):
    """What one message held: the payloads (UTF-8) that could be read, and why reading stopped early, if it did."""

    payloads: list[bytes]
    fault: ProtocolError | None


def decode(message: bytes | str) -> Packets:
    """Split one message into its payloads, walking by length: a payload may hold text that looks like a header.

    Reading stops at the first packet without a header or longer than what is left; the ones before it are kept
    and a truncated payload is never handed out.
    """
    data = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message
    if data.isascii():  # then bytes, characters and UTF-16 units are the same, which is nearly always
        return _decode_ascii(data)
    return _decode_wide(data)


def split(message: bytes, faults: list[ProtocolError]) -> list[bytes]:
    """The payloads of ``message``; a fault is added to ``faults``."""
    payloads, fault = decode(message)
    if fault is not None:
        faults.append(fault)
    return payloads


def _decode_ascii(data: bytes) -> Packets:
    payloads: list[bytes] = []
    pos, size = 0, len(data)
    match = _HEADER.match
    while pos < size:
        header = match(data, pos)
        if header is None:
            return Packets(payloads, _no_header(pos, data[pos : pos + 20]))
        start = header.end()
        end = start + int(header[1])
        if end > size:
            return Packets(payloads, _cut_short(pos, end - start, size - start))
        payloads.append(data[start:end])
        pos = end
    return Packets(payloads, None)


def _decode_wide(data: bytes) -> Packets:
    """The same walk over UTF-16, in which a unit is two bytes."""
    payloads: list[bytes] = []
    try:
        wide = data.decode().encode("utf-16-le")
    except UnicodeDecodeError as error:
        return Packets(payloads, ProtocolError(f"message is not UTF-8: {error.reason}"))
    pos, size = 0, len(wide)
    while pos < size:
        header = _WIDE_HEADER.match(wide, pos)
        if header is None:
            return Packets(payloads, _no_header(pos // 2, wide[pos : pos + 40].decode("utf-16-le", "replace")))
        start = header.end()
        end = start + 2 * int(header[1][::2])
        if end > size:
            return Packets(payloads, _cut_short(pos // 2, (end - start) // 2, (size - start) // 2))
        try:
            payloads.append(wide[start:end].decode("utf-16-le").encode())
        except UnicodeDecodeError:
            return Packets(payloads, ProtocolError(f"packet at unit {pos // 2} ends inside a character"))
        pos = end
    return Packets(payloads, None)


def _no_header(unit: int, found: bytes | str) -> ProtocolError:
    return ProtocolError(f"no packet header at unit {unit}: {found!r}")


def _cut_short(unit: int, length: int, left: int) -> ProtocolError:
    return ProtocolError(f"packet at unit {unit} cut short: {length} units announced, {left} left")


def encode(*payloads: str | bytes) -> str:
    """One message holding ``payloads`` as packets, in order."""
    texts = [payload.decode() if isinstance(payload, bytes) else payload for payload in payloads]
    return "".join(f"~m~{_units(text)}~m~{text}" for text in texts)


def encode_json(value: object) -> str:
    """One packet holding ``value`` as compact JSON, characters beyond ASCII unescaped, as the service writes it."""
    return encode(orjson.dumps(value))


def encode_call(method: str, params: Sequence[object]) -> str:
    """One packet with the call ``{"m": method, "p": params}``, the form of everything but hello and heartbeats."""
    return encode_json({"m": method, "p": params})


def heartbeat(number: int) -> str:
    """The packet of a connection's heartbeat ``number``."""
    return encode(f"~h~{number}")


def is_heartbeat(payload: bytes) -> bool:
    """Whether ``payload`` is a heartbeat: encode it unchanged to answer it."""
    return payload.startswith(HEARTBEAT_PREFIX)


def _units(text: str) -> int:
    """Length of ``text`` in UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2

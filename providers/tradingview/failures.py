"""Why a connection failed, in words, and how long the service wants to be left alone for it."""

from __future__ import annotations

from typing import NamedTuple

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from domain.errors import ProtocolError, ProviderUnavailable

LIMITED_SECONDS = 30.0  # HTTP 429: too many connections from here
FORBIDDEN_SECONDS = 300.0  # HTTP 403: origin, country or a ban; asking often makes it worse
BAD_TOKEN_SECONDS = 3600.0  # the same token gets the same answer
_LONGEST_WISH = 3600.0


class Failure(NamedTuple):
    """``at_least_seconds`` bounds the next wait from below; 0 leaves it to the usual back-off."""

    reason: str
    at_least_seconds: float = 0.0


class Stalled(ProviderUnavailable):
    """The socket lives, but the feed or the answer does not come."""


def explain(error: Exception) -> Failure:
    """What went wrong, without anything secret: the token travels in messages only, never in what is quoted here."""
    if isinstance(error, InvalidStatus):
        return _refused(error)
    if isinstance(error, ConnectionClosed):
        return Failure(_closed(error))
    if isinstance(error, ProtocolError):
        return Failure(str(error), BAD_TOKEN_SECONDS if "auth token" in str(error) else 0.0)
    if isinstance(error, Stalled):
        return Failure(str(error))
    if isinstance(error, TimeoutError):
        return Failure("timed out while connecting or sending")
    if isinstance(error, InvalidURI):
        return Failure(f"not a WebSocket address: {error}")
    if isinstance(error, InvalidHandshake):
        return Failure(f"no WebSocket at this address: {error}")
    return Failure(f"cannot connect: {error}")


def _refused(error: InvalidStatus) -> Failure:
    status = error.response.status_code
    wish = error.response.headers.get("Retry-After", "")
    asked = min(float(wish), _LONGEST_WISH) if wish.isdecimal() else 0.0
    if status == 429:
        return Failure("refused: too many connections (HTTP 429)", max(asked, LIMITED_SECONDS))
    if status == 403:
        return Failure("refused: forbidden (HTTP 403)", max(asked, FORBIDDEN_SECONDS))
    return Failure(f"refused: HTTP {status}", asked)


def _closed(error: ConnectionClosed) -> str:
    if error.rcvd is None:
        return "connection lost"
    said = f" {error.rcvd.reason[:100]}" if error.rcvd.reason else ""
    return f"closed by the provider: {error.rcvd.code}{said}"

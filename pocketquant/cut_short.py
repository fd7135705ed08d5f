"""An answer that fails once it has begun ends with a broken connection: nobody takes what came for the whole."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

log = structlog.get_logger(__name__)


class CutShort:
    """Around the HTTP application.

    ASGI has no message for this: a server is to see the exception. daphne then begins an error page, which fails since
    the answer has begun; the client waits for ever, and the server's own loop that reaps connections ends.
    So where daphne serves, its connection is broken here and the exception goes no further.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._application(scope, receive, noted)
        except Exception as error:
            if not has_begun or not _abort(send):
                raise
            log.error("answer_cut_short", path=scope.get("path"), reason=str(error)[:300])


def _abort(send: Send) -> bool:
    """Break the connection of daphne's request that ``send`` speaks for; False if another server serves."""
    if not isinstance(send, functools.partial) or len(send.args) != 1:
        return False
    transport = getattr(getattr(send.args[0], "channel", None), "transport", None)
    if transport is None or not hasattr(transport, "abortConnection"):
        return False
    transport.abortConnection()
    return True

"""The live socket as daphne serves it, for whoever connects: ``daphne tests.quotes.daphne_app:application``."""

from __future__ import annotations

from typing import Any

import django

django.setup()

from channels.routing import URLRouter  # noqa: E402 - Django must be set up

from quotes import budget  # noqa: E402 - see above
from quotes.routing import websocket_urlpatterns  # noqa: E402 - see above
from tests.quotes.live import SignedIn  # noqa: E402 - see above

budget.PATIENCE_SECONDS = 2.0  # nobody wants to wait for the ten that are promised
_routes = URLRouter(websocket_urlpatterns)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await _routes({**scope, "user": SignedIn()}, receive, send)

"""What daphne serves: HTTP by Django, WebSockets by the live consumers behind an Origin check and a session."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pocketquant.settings")
http = get_asgi_application()  # sets Django up; what follows imports models

from channels.auth import AuthMiddlewareStack  # noqa: E402 - see above
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402 - see above

from pocketquant.cut_short import CutShort  # noqa: E402 - see above
from pocketquant.origin import SameOrigin  # noqa: E402 - see above
from quotes.routing import websocket_urlpatterns  # noqa: E402 - see above

application = ProtocolTypeRouter(
    {"http": CutShort(http), "websocket": SameOrigin(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)))}
)

"""WebSocket addresses of this app; ``pocketquant.asgi`` puts session and Origin checks before them."""

from __future__ import annotations

from django.urls import URLPattern, path

from quotes.consumers import LiveConsumer

# `path` is typed for views; Channels' URLRouter takes any ASGI application.
websocket_urlpatterns: list[URLPattern] = [path("ws/live/", LiveConsumer.as_asgi())]  # type: ignore[arg-type]

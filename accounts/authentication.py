"""How the API knows who asks."""

from __future__ import annotations

from rest_framework import authentication
from rest_framework.request import Request


class SessionAuthentication(authentication.SessionAuthentication):
    """The browser's session. A stranger gets 401, not 403: signing in would help."""

    def authenticate_header(self, request: Request) -> str:
        return 'Session realm="PocketQuant"'

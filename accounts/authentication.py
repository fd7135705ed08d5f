"""How the API knows who asks."""

from __future__ import annotations

from django.utils import timezone
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from accounts.models import ApiToken, User
from accounts.tokens import find_token, note_use

_SCHEME = "bearer "


class SessionAuthentication(authentication.SessionAuthentication):
    """The browser's session. A stranger gets 401, not 403: signing in would help."""

    def authenticate_header(self, request: Request) -> str:
        return 'Session realm="PocketQuant"'


class TokenAuthentication(authentication.BaseAuthentication):
    """``Authorization: Bearer pq_<key>.<secret>`` (RFC 6750, 2.1); never in an address or a body."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        given = request.headers.get("Authorization", "")
        if not given.lower().startswith(_SCHEME):
            return None
        now = timezone.now()
        token = find_token(text=given[len(_SCHEME) :].strip(), now=now)
        if token is None:
            raise exceptions.AuthenticationFailed("This token is unknown, has expired, or was revoked.")
        note_use(token=token, now=now)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="PocketQuant"'

"""How the API's schema describes the sign-in."""

from __future__ import annotations

from typing import Any

from drf_spectacular.authentication import SessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema


class SignedInSession(SessionScheme):  # type: ignore[no-untyped-call] # the library is untyped; a subclass registers itself
    target_class = "accounts.authentication.SessionAuthentication"
    name = "session"
    priority = 0


class Token(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # as above
    target_class = "accounts.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "pq_<id>.<secret>"}

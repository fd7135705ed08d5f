"""How the API's schema describes the sign-in."""

from __future__ import annotations

from drf_spectacular.authentication import SessionScheme


class SignedInSession(SessionScheme):  # type: ignore[no-untyped-call] # the library is untyped; a subclass registers itself
    target_class = "accounts.authentication.SessionAuthentication"
    name = "session"
    priority = 0

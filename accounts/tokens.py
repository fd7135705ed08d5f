"""Tokens of the API, ``pq_<key>.<secret>``: made, found by what a program shows, revoked."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime, timedelta

from django.db.models import Q

from accounts.models import ApiToken, User
from domain.errors import InvalidRequest

_FORM = re.compile(r"pq_([a-z0-9]{12})\.([A-Za-z0-9_-]{43})")
_USE_IS_NOTED = timedelta(minutes=1)  # more often would be a write for each request
MOST_DAYS = 3_650


def make_token(
    *, user: User, name: str, scope: ApiToken.Scope, now: datetime, lifetime: timedelta | None = None
) -> tuple[ApiToken, str]:
    """A new token of ``user``, and its text, which cannot be shown again. Without ``lifetime`` it never expires.

    Raises InvalidRequest for an empty name or a lifetime that is none.
    """
    if not name.strip() or len(name) > 100:
        raise InvalidRequest("name: what the token is for, in 1 to 100 characters")
    if lifetime is not None and not timedelta() < lifetime <= timedelta(days=MOST_DAYS):
        raise InvalidRequest(f"a token lives for 1 to {MOST_DAYS:,} days")
    key, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user,
        name=name.strip(),
        key=key,
        secret_hash=_hash(secret),
        scope=scope,
        expires_at=None if lifetime is None else now + lifetime,
    )
    return token, f"pq_{key}.{secret}"


def find_token(*, text: str, now: datetime) -> ApiToken | None:
    """The token that ``text`` is, if it may be used now."""
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    token = ApiToken.objects.usable(now).select_related("user").filter(key=form[1]).first()
    if token is None or not secrets.compare_digest(token.secret_hash, _hash(form[2])):
        return None
    return token


def note_use(*, token: ApiToken, now: datetime) -> None:
    """Keep when it was used last, to the minute."""
    if token.last_used_at is None or now - token.last_used_at >= _USE_IS_NOTED:
        due = Q(last_used_at=None) | Q(last_used_at__lte=now - _USE_IS_NOTED)
        ApiToken.objects.filter(due, pk=token.pk).update(last_used_at=now)


def revoke_token(*, token: ApiToken, now: datetime) -> None:
    """It works no more, from the next request on."""
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now)


def _hash(secret: str) -> str:
    # The secret has 256 random bits, so a plain hash cannot be guessed backwards.
    return hashlib.sha256(secret.encode()).hexdigest()

"""Signing in without a password: a link that works once, soon, and for its maker only."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from accounts.models import SignInLink, User

LINK_LIFETIME = timedelta(minutes=15)
OWNER = "owner"


def ensure_owner() -> User:
    """The person whose installation this is; made at first start, without a password."""
    owner, created = User.objects.get_or_create(
        username=OWNER, defaults={"is_staff": True, "is_superuser": True, "password": "!"}
    )
    if created:
        owner.set_unusable_password()
        owner.save(update_fields=["password"])
    return owner


def make_sign_in_secret(*, user: User, now: datetime) -> str:
    """A new secret that signs ``user`` in once within the next 15 minutes; earlier ones stop working.

    Only its hash is stored: it cannot be shown again.
    """
    secret = secrets.token_urlsafe(32)
    SignInLink.objects.usable(now).filter(user=user).update(expires_at=now)
    SignInLink.objects.create(user=user, secret_hash=_hash(secret), expires_at=now + LINK_LIFETIME)
    return secret


def is_usable(*, secret: str, now: datetime) -> bool:
    """True if ``use_sign_in_secret`` would succeed; changes nothing, so a prefetching browser spoils nothing."""
    return SignInLink.objects.usable(now).filter(secret_hash=_hash(secret), user__is_active=True).exists()


def use_sign_in_secret(*, secret: str, now: datetime) -> User | None:
    """Spend the secret. None if it is unknown, expired or spent; of two who come at once, one gets the user."""
    link = SignInLink.objects.usable(now).filter(secret_hash=_hash(secret), user__is_active=True)
    if link.update(used_at=now) != 1:
        return None
    return SignInLink.objects.select_related("user").get(secret_hash=_hash(secret)).user


def _hash(secret: str) -> str:
    # The secret has 256 random bits, so a plain hash cannot be guessed backwards.
    return hashlib.sha256(secret.encode()).hexdigest()

"""People, and the links by which they come in."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """Somebody who may come in. Of our own from the first migration, since it is hard to exchange later."""


class SignInLinkQuerySet(models.QuerySet["SignInLink"]):
    def usable(self, now: datetime) -> Self:
        """Not used yet and not expired."""
        return self.filter(used_at=None, expires_at__gt=now)


class SignInLink(models.Model):
    """A link that signs ``user`` in once. Only the hash of its secret is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_in_links")
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = SignInLinkQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"sign-in link of {self.user_id}, made {self.created_at:%Y-%m-%d %H:%M}"


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def usable(self, now: datetime) -> Self:
        """Not revoked and not expired, of people who may come in."""
        alive = models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        return self.filter(alive, revoked_at=None, user__is_active=True)


class ApiToken(models.Model):
    """What a program shows instead of a session. Only the hash of its secret is kept."""

    class Scope(models.TextChoices):
        """Each may what those before it may."""

        READ = "read"
        SYNC = "sync"  # start and steer syncs
        ADMIN = "admin"  # whatever its owner may

        @property
        def rank(self) -> int:
            return list(type(self)).index(self)

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100, help_text="what it is for")
    key = models.CharField(max_length=12, unique=True, editable=False, help_text="the part that is no secret")
    secret_hash = models.CharField(max_length=64, editable=False)
    scope = models.CharField(max_length=8, choices=Scope, default=Scope.READ)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"pq_{self.key} ({self.name})"

    def may(self, scope: ApiToken.Scope) -> bool:
        return self.Scope(self.scope).rank >= scope.rank

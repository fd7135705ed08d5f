"""People in the admin. Links are not shown: there is nothing to read in a hash."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from unfold.admin import ModelAdmin

from accounts.models import User


@admin.register(User)
class PersonAdmin(UserAdmin, ModelAdmin):  # type: ignore[type-arg, misc] # no generic at run time; unfold is untyped
    """Django's pages for people, in the theme of the others."""

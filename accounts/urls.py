"""Coming in and going out."""

from __future__ import annotations

from django.urls import path

from accounts import (
    schema,  # noqa: F401 - registers itself when it is imported
    token_views,
    views,
)

urlpatterns = [
    path("signin/", views.signin, name="signin"),
    path("signin/<str:secret>/", views.signin_link, name="signin-link"),
    path("signout/", views.signout, name="signout"),
    path("settings/tokens/", token_views.tokens, name="tokens"),
    path("settings/tokens/<int:token_id>/revoke/", token_views.revoke, name="token-revoke"),
]

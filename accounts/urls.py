"""Coming in and going out."""

from __future__ import annotations

from django.urls import path

from accounts import schema, views  # noqa: F401 - the schema registers itself when it is imported

urlpatterns = [
    path("signin/", views.signin, name="signin"),
    path("signin/<str:secret>/", views.signin_link, name="signin-link"),
    path("signout/", views.signout, name="signout"),
]

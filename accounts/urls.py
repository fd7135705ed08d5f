"""Coming in and going out."""

from __future__ import annotations

from django.urls import path

from accounts import views

urlpatterns = [
    path("signin/", views.signin, name="signin"),
    path("signin/<str:secret>/", views.signin_link, name="signin-link"),
    path("signout/", views.signout, name="signout"),
]

"""Addresses of this app."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from quotes.api import QuoteList

urlpatterns: list[URLPattern | URLResolver] = [path("quotes", QuoteList.as_view(), name="quotes")]

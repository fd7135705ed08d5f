"""Addresses of the pages."""

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from web.views import about, chart, search

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="chart-home"), name="home"),
    path("about/", about.about, name="about"),
    path("search/", search.search, name="symbol-search"),
    path("chart/", chart.home, name="chart-home"),
    # The longer address first: a symbol may hold a slash.
    path("chart/<path:code>/series/", chart.series, name="chart-series"),
    path("chart/<path:code>", chart.chart, name="chart"),
]

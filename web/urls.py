"""Addresses of the pages."""

from __future__ import annotations

from django.urls import path, re_path
from django.views.generic import RedirectView

from web.views import about, chart, coverage, gaps, search, sync

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="chart-home"), name="home"),
    path("about/", about.about, name="about"),
    path("coverage/", coverage.matrix, name="coverage-page"),
    path("coverage/gaps/", gaps.overview, name="gaps-page"),
    path("coverage/gaps/fill/", gaps.fill, name="gaps-fill"),
    path("coverage/<path:code>/fill/", coverage.fill, name="coverage-fill"),
    path("coverage/<path:code>", coverage.series, name="coverage-series"),
    path("sync/", sync.overview, name="sync-overview"),
    path("sync/start/", sync.start, name="sync-start"),
    path("sync/<int:run_id>/", sync.run_page, name="sync-page"),
    re_path(r"^sync/(?P<run_id>[0-9]{1,18})/(?P<action>pause|resume|cancel|retry)/$", sync.act, name="sync-act"),
    path("search/", search.search, name="symbol-search"),
    path("chart/", chart.home, name="chart-home"),
    # The longer address first: a symbol may hold a slash.
    path("chart/<path:code>/series/", chart.series, name="chart-series"),
    path("chart/<path:code>", chart.chart, name="chart"),
]

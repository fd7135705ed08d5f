from django.urls import include, path

from marketdata.api import BarsView
from marketdata.coverage_api import CoverageView, GapsView

urlpatterns = [
    path("bars", BarsView.as_view(), name="bars"),
    path("coverage", CoverageView.as_view(), name="coverage"),
    path("gaps", GapsView.as_view(), name="gaps"),
    path("", include("marketdata.sync_urls")),
]

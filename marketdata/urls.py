from django.urls import include, path

from marketdata.api import BarsView
from marketdata.coverage_api import CoverageView, GapsView
from marketdata.fidelity_api import FidelityView
from marketdata.verify_api import VerifyView

urlpatterns = [
    path("bars", BarsView.as_view(), name="bars"),
    path("coverage", CoverageView.as_view(), name="coverage"),
    path("coverage/verify", VerifyView.as_view(), name="coverage-verify"),
    path("gaps", GapsView.as_view(), name="gaps"),
    path("fidelity", FidelityView.as_view(), name="fidelity"),
    path("", include("marketdata.sync_urls")),
]

from django.urls import path

from marketdata.api import BarsView

urlpatterns = [
    path("bars", BarsView.as_view(), name="bars"),
]

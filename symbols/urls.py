from django.urls import path

from symbols.api import SymbolDetail, SymbolList

urlpatterns = [
    path("symbols", SymbolList.as_view(), name="symbols"),
    # A ticker may hold a slash (BTC/USD), so the code is the whole rest of the path.
    path("symbols/<path:code>", SymbolDetail.as_view(), name="symbol"),
]

"""Every address of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView

urlpatterns = [
    path("", include("accounts.urls")),
    path("admin/", admin.site.urls),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="api-docs"),
    path("api/redoc/", SpectacularRedocView.as_view(url_name="schema"), name="api-redoc"),
    path("api/v1/", include("symbols.urls")),
    path("api/v1/", include("marketdata.urls")),
    path("api/v1/", include("quotes.urls")),
    path("", include("web.urls")),
]
handler400 = "pocketquant.error_pages.bad_request"
handler403 = "pocketquant.error_pages.permission_denied"
handler404 = "pocketquant.error_pages.page_not_found"
handler500 = "pocketquant.error_pages.server_error"

"""Every address of the site."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required, login_required
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerView

from pocketquant import health, problems
from pocketquant.schema_view import SchemaView

admin.autodiscover()
docs = SpectacularSwaggerView.as_view(url_name="schema")
redoc = SpectacularRedocView.as_view(url_name="schema", template_name="pocketquant/redoc.html")

urlpatterns = [
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("healthz", health.readyz, name="healthz"),
    path("problems/", problems.page, name="problems"),
    # Asked for by browsers on pages that name no icon, such as those of the browsable API.
    path("favicon.ico", login_not_required(RedirectView.as_view(url=static("img/mark.svg")))),
    path("", include("accounts.urls")),
    # There are no passwords to log in with.
    path("admin/login/", login_not_required(RedirectView.as_view(pattern_name="signin", query_string=True))),
    path("admin/logout/", RedirectView.as_view(pattern_name="signout")),
    path("admin/", admin.site.urls),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", login_required(docs), name="api-docs"),
    path("api/redoc/", login_required(redoc), name="api-redoc"),
    path("api/v1/", include("symbols.urls")),
    path("api/v1/", include("marketdata.urls")),
    path("api/v1/", include("quotes.urls")),
    path("", include("web.urls")),
]
handler400 = "pocketquant.error_pages.bad_request"
handler403 = "pocketquant.error_pages.permission_denied"
handler404 = "pocketquant.error_pages.page_not_found"
handler500 = "pocketquant.error_pages.server_error"

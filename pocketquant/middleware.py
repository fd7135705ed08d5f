"""What every request passes: it gets an id, and strangers get no further than the sign-in page."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from pocketquant.exception_handler import is_api, problem_response

GetResponse = Callable[[HttpRequest], HttpResponse]
_TOKENS_PREFIX = "/api/v1/"
_FIT_FOR_AN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestId:
    """``request.request_id``, ``X-Request-ID`` on the answer, and the same id on each log line of the request.

    A client's own id is kept if it is fit to stand in a log line.
    """

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _FIT_FOR_AN_ID.fullmatch(given) else str(uuid.uuid4())
        request.request_id = request_id  # type: ignore[attr-defined] # templates and error bodies show it
        request.META["HTTP_X_REQUEST_ID"] = request_id
        response = self.get_response(request)
        response.headers["X-Request-ID"] = request_id
        return response


class SignInRequired(LoginRequiredMiddleware):
    """Every view needs somebody signed in unless it says otherwise (``login_not_required``).

    It cannot run asynchronously: Django wraps what stands outside the innermost middleware in the same manner as
    that one, and a chain of asynchronous ones would hop to a thread and back for each.
    """

    async_capable = False

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase], view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        """Who shows a token to the API is known to its views alone, which look at it themselves."""
        if request.path.startswith(_TOKENS_PREFIX) and "Authorization" in request.headers:
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(  # type: ignore[override] # the stub knows of redirects only; any response will do
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseBase:
        if is_api(request):
            return problem_response(request, 401, "Sign in first; `manage.py signin` prints a link.")
        return super().handle_no_permission(request, view_func)

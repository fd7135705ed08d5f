"""What is answered when no view did: problem+json under /api/, a page elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.views import defaults

from domain.errors import PocketQuantError
from pocketquant.exception_handler import is_api, problem_response, status_of
from web.problems import problem_page

_WITHOUT_WORDS = (405, 415, 429, 503)  # Django and middlewares answer these with nothing that a person could read


class ErrorPages:
    """Our errors that a page's view lets through, by the same table as the API's; and words for answers without any.

    Programs, which don't ask for HTML, get the errors as the API writes them.
    """

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code not in _WITHOUT_WORDS or response.streaming or response.content:
            return response
        if is_api(request) or not _asks_for_a_page(request):
            return response
        page = problem_page(request, response.status_code)
        for name in ("Allow", "Retry-After"):
            if name in response.headers:
                page.headers[name] = response.headers[name]
        return page

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, PocketQuantError) or is_api(request):
            return None
        status = status_of(type(exception))
        if status == 500:
            return None  # of that nobody needs to know more than the log does
        answer = problem_page if _asks_for_a_page(request) else problem_response
        return answer(request, status, str(exception))


def _asks_for_a_page(request: HttpRequest) -> bool:
    return "text/html" in request.headers.get("Accept", "")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api(request):
        return problem_response(request, 400, "The request cannot be understood.")
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api(request):
        return problem_response(request, 403, str(exception) or "You may not do this.")
    return defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api(request):
        return problem_response(request, 404, f"There is nothing at {request.path}; see /api/docs/.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if is_api(request):
        return problem_response(request, 500, "Something failed here. The log has the details under this request id.")
    return defaults.server_error(request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    if is_api(request):
        return problem_response(request, 403, f"CSRF check failed: {reason}")
    from django.views.csrf import csrf_failure as page

    return page(request, reason=reason)

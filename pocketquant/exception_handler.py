"""The one table from our errors to HTTP statuses, and the one shape of an error: ``application/problem+json``."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from domain import errors

PROBLEM_TYPE = "application/problem+json"
# The first class that fits decides; the classes that derive from others come before them.
STATUS_OF: dict[type[errors.PocketQuantError], int] = {
    errors.UnknownSymbol: 404,
    errors.InvalidRequest: 400,
    errors.Conflict: 409,
    errors.UnreadableFile: 400,
    errors.StoreUnavailable: 503,
    errors.ProviderUnavailable: 503,
    errors.ProviderError: 502,
    errors.PocketQuantError: 500,
}
TITLES = {
    400: "Invalid request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    415: "Unsupported media type",
    429: "Too many requests",
    500: "Internal error",
    502: "The provider failed",
    503: "Temporarily unavailable",
}


def problem(
    status: int, detail: str, *, request: Any, kind: str = "", errors: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """The body of an error. ``kind`` names it for programs; ``errors`` has one entry a field: field and detail."""
    title = TITLES.get(status, "Error")
    return {
        "type": f"/problems/#{kind or title.lower().replace(' ', '-')}",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": getattr(request, "request_id", ""),
        "errors": errors or [],
    }


def problem_json(exception: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's handler: our errors by the table, its own as they are; None for what we did not expect."""
    request = context["request"]
    if isinstance(exception, errors.PocketQuantError):
        return _domain_problem(exception, request)
    response = exception_handler(exception, context)
    if response is None:
        return None
    fields = _field_errors(response.data) if isinstance(exception, exceptions.ValidationError) else []
    detail = "; ".join(f"{e['field']}: {e['detail']}" if e["field"] else e["detail"] for e in fields)
    response.data = problem(response.status_code, detail or _detail(response.data), request=request, errors=fields)
    response.content_type = _content_type(request)
    return response


def _content_type(request: Any) -> str | None:
    """None, so the renderer's own, for people: the browsable API shows an error within its page."""
    renderer = getattr(request, "accepted_renderer", None)
    return None if renderer and renderer.media_type == "text/html" else PROBLEM_TYPE


def status_of(kind: type[errors.PocketQuantError]) -> int:
    """The first entry of the table that fits."""
    return next(status for entry, status in STATUS_OF.items() if issubclass(kind, entry))


def kind_of(kind: type[Exception]) -> str:
    """``UnknownSymbol`` as programs see it: ``unknown-symbol``."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__).lstrip("-")


def _domain_problem(exception: errors.PocketQuantError, request: Any) -> Response:
    status = status_of(type(exception))
    headers = {}
    if isinstance(exception, errors.ProviderUnavailable) and exception.retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, round(exception.retry_after_seconds)))
    data = problem(status, str(exception), request=request, kind=kind_of(type(exception)))
    return Response(data, status=status, headers=headers, content_type=_content_type(request))


def _detail(data: Any) -> str:
    return str(data["detail"]) if isinstance(data, dict) and "detail" in data else str(data)


def _field_errors(data: Any, field: str = "") -> list[dict[str, str]]:
    """REST framework's nested dicts and lists, flattened: ``bars.0.open``."""
    if isinstance(data, dict):
        pairs = [("" if key == "non_field_errors" else str(key), value) for key, value in data.items()]
    elif isinstance(data, list) and any(isinstance(value, dict | list) for value in data):
        pairs = [(str(index), value) for index, value in enumerate(data)]
    elif isinstance(data, list):
        return [{"field": field, "detail": str(value)} for value in data]
    else:
        return [{"field": field, "detail": str(data)}]
    return [error for key, value in pairs for error in _field_errors(value, ".".join(filter(None, (field, key))))]


def is_api(request: HttpRequest) -> bool:
    """Errors under these paths are read by programs."""
    return request.path.startswith("/api/")


def problem_response(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    """The same shape for what Django answers before REST framework is asked."""
    return JsonResponse(problem(status, detail, request=request), status=status, content_type=PROBLEM_TYPE)

"""The schema of the API over HTTP, made by one thread at a time."""

from __future__ import annotations

import threading
from typing import Any

from drf_spectacular.views import SpectacularAPIView
from rest_framework.response import Response

_lock = threading.Lock()


class SchemaView(SpectacularAPIView):
    """drf-spectacular loads its extensions when it first makes a schema: two threads at once would fail on that."""

    def _get_schema_response(self, request: Any) -> Response:
        with _lock:
            answer: Response = super()._get_schema_response(request)  # type: ignore[no-untyped-call]  # it has no types
        return answer

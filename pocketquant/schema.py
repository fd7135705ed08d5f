"""What the schema of the API says of errors: every operation may give them, and they all have one shape."""

from __future__ import annotations

from typing import Any

from pocketquant.exception_handler import PROBLEM_TYPE, TITLES

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "What is wrong: RFC 9457, with the request's id, and an entry for each field that is at fault.",
    "properties": {
        "type": {"type": "string", "description": "a page that explains this kind of error"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
                "required": ["field", "detail"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "request_id", "errors"],
}
_CONTENT = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ANYWHERE = ("400", "401", "403", "406", "503")
_WITH_A_BODY = ("413", "415")
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})


def say_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A hook of drf-spectacular: adds the errors that any operation may give, and the media type they have."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM
    for path, item in result["paths"].items():
        for method in _METHODS & item.keys():
            operation = item[method]
            responses = operation["responses"]
            usual = (
                *_ANYWHERE,
                *(_WITH_A_BODY if "requestBody" in operation else ()),
                *(["404"] if "{" in path else []),
            )
            for status in {*usual, *(status for status in responses if status >= "400")}:
                described = responses.get(status, {}).get("description")
                words = described or TITLES.get(int(status), "Error")
                responses[status] = {"description": words, "content": _CONTENT}
            operation["responses"] = dict(sorted(responses.items()))
    return result

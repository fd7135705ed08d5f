"""How each operation of the API is called, in curl and in Python: written into its description in the schema."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

_HOST = "http://127.0.0.1:8000"
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})
# What stands in the place of each parameter. Others may be left out, or are described where they are needed.
_VALUES = {"symbols": "DEMO:BTCUSD", "interval": "1h", "code": "DEMO:BTCUSD", "run_id": "1", "action": "pause"}
_CURL = """```
curl -H "Authorization: Bearer $TOKEN" {options}'{url}'
```"""
_PYTHON = """```python
import requests

headers = {{"Authorization": f"Bearer {{token}}"}}
answer = requests.{method}("{url}"{options}, headers=headers).json()
```"""


def give_snippets(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A hook of drf-spectacular: adds them wherever the description does not show a call of its own."""
    for path, item in result["paths"].items():
        for method in _METHODS & item.keys():
            operation = item[method]
            described = operation.get("description", "")
            if "curl" not in described:
                operation["description"] = "\n\n".join((described, *_calls(path, method, operation))).strip()
    return result


def _calls(path: str, method: str, operation: dict[str, Any]) -> tuple[str, str]:
    known = {one["name"]: one["in"] for one in operation.get("parameters", ()) if one["name"] in _VALUES}
    url = _HOST + path
    for name in (name for name, place in known.items() if place == "path"):
        url = url.replace(f"{{{name}}}", _VALUES[name])
    query = {name: _VALUES[name] for name, place in known.items() if place == "query"}
    in_curl, in_python = "", ""
    if method != "get":
        in_curl = f"-X {method.upper()} "
    if query:
        in_python += f", params={json.dumps(query)}"
    if "requestBody" in operation:
        body = _body(operation)
        in_curl += f"-H 'Content-Type: application/json' -d '{json.dumps(body)}' "
        in_python += f", json={body!r}"
    full = f"{url}?{urlencode(query, safe=':')}" if query else url
    return (
        _CURL.format(options=in_curl, url=full),
        _PYTHON.format(method=method, url=url, options=in_python),
    )


def _body(operation: dict[str, Any]) -> Any:
    """The first example of a body that there is."""
    examples = operation["requestBody"]["content"]["application/json"].get("examples", {})
    return next((example["value"] for example in examples.values()), {})

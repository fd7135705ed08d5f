"""The calls that the schema shows: each operation has them, and they do what they say."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from drf_spectacular.generators import SchemaGenerator

from providers.demo import demo_instruments
from symbols.services import add_symbols

pytestmark = pytest.mark.django_db
CALLS = re.compile(r"```\n(curl .*?)\n```", re.DOTALL)


def operations() -> dict[tuple[str, str], str]:
    paths: dict[str, Any] = SchemaGenerator().get_schema(public=True)["paths"]
    return {
        (method, path): operation["description"] for path, item in paths.items() for method, operation in item.items()
    }


def test_every_operation_shows_how_it_is_called_in_curl_and_in_python() -> None:
    for described in operations().values():
        assert CALLS.search(described), described
        (python,) = re.findall(r"```python\n(.*?)```", described, re.DOTALL)
        compile(python, "snippet", "exec")
        addresses = re.findall(r"http://[^'\"]+", described)
        assert addresses
        assert "{" not in "".join(addresses)  # every place is filled in


def test_what_is_read_can_be_read_as_shown(client: Any, mongo_database: Any) -> None:
    add_symbols([one for one in demo_instruments() if one.symbol == "DEMO:BTCUSD"])
    client.force_login(get_user_model().objects.create_superuser("reader"))
    for (method, path), described in operations().items():
        if method == "get":
            address = shlex.split(CALLS.findall(described)[0].splitlines()[0])[-1]
            answer = client.get(address.removeprefix("http://127.0.0.1:8000"))
            assert answer.status_code == (404 if "run_id" in path else 200), (path, answer.content)

"""Whatever the schema of the API allows, and what it does not: answers as the schema says, never a 5xx.

A seeded sample here; ``make fuzz`` runs the same with other seeds, thousands of cases.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, Phase, given
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from domain.interval import Interval
from marketdata.repository import BarRepository
from providers.demo import demo_instruments
from symbols.models import Symbol
from symbols.services import add_symbols
from tests.marketdata.builders import bar

SEED = int(os.environ.get("FUZZ_SEED", "1"))
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "12"))
NOBODY = "ws://127.0.0.1:9/socket.io/websocket"  # the discard port: nobody listens
pytestmark = [pytest.mark.django_db, pytest.mark.untraced]

load_all_checks()
CHECKS = [
    schemathesis.checks.not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
    content_type_conformance,
]
# What a database might take for an operator, a parser for a bomb, or a number for more than it can hold.
NASTY = [
    {"$gt": ""},
    {"$where": "sleep(1000)"},
    "$ne",
    10**400,
    -(10**30),
    1e308,
    "NaN",
    "\x00",
    "\ud800",
    [[[[[[[[[[]]]]]]]]]],
    "A" * 10_000,
    None,
    True,
]
DEEP = "[" * 20_000 + "]" * 20_000


def _signed_in(application: Any, session: str) -> Any:
    """``application`` as somebody with this session meets it, its answers read to the end."""
    token = "f" * 32
    cookies = f"{settings.SESSION_COOKIE_NAME}={session}; {settings.CSRF_COOKIE_NAME}={token}"

    def run(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        parts = application(environ | {"HTTP_COOKIE": cookies, "HTTP_X_CSRFTOKEN": token}, start_response)
        try:
            return list(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()

    return run


@pytest.fixture(autouse=True)
def kept_connection() -> Iterator[None]:
    """The test's database lives in its connection, which a served request would close."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def session(mongo_database: Any, settings: Any) -> str:
    """The session of somebody who may do everything; a registry and some bars to be asked for."""
    settings.DEMO_MARKET_URL = settings.TRADINGVIEW_URL = NOBODY
    settings.TRADINGVIEW_SEARCH_URL = "http://127.0.0.1:9/"
    add_symbols([one for one in demo_instruments() if one.symbol in ("DEMO:BTCUSD", "DEMO:AAPL")])
    instrument = Symbol.objects.with_code("DEMO:BTCUSD").instrument()
    for interval in (Interval.M1, Interval.H1, Interval.D1):
        BarRepository(mongo_database).save(
            instrument, interval, [bar(n, instrument=instrument, interval=interval) for n in range(50)]
        )
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("fuzzer"))
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def operations(session: str) -> Iterator[Any]:
    """The operations of the schema, as served."""
    application = _signed_in(get_wsgi_application(), session)
    for found in schemathesis.openapi.from_wsgi("/api/schema/?format=json", application).get_all_operations():
        yield found.ok()


@pytest.mark.parametrize("mode", GenerationMode)
def test_every_operation_answers_as_the_schema_says(session: str, mode: GenerationMode) -> None:
    cases = 0
    for operation in operations(session):
        try:
            strategy = operation.as_strategy(mode)
        except ValueError:  # nothing about this operation can be wrong
            continue

        @hypothesis.seed(SEED)
        @hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def ask(case: Any) -> None:
            nonlocal cases
            cases += 1
            case.call_and_validate(checks=CHECKS)

        ask()
    print(f"\n{cases} cases")
    assert cases >= EXAMPLES


def test_nasty_values_of_parameters_are_the_askers_mistake(session: str, client: Client) -> None:
    client.force_login(get_user_model().objects.get(username="fuzzer"))
    for operation in operations(session):
        if operation.method.upper() != "GET" or "{" in operation.path:
            continue
        for name in [*(parameter.name for parameter in operation.query), "symbols[$ne]", "$where"]:
            for value in NASTY:
                text = value if isinstance(value, str) else json.dumps(value)
                answer = client.get(operation.full_path, {name: text.encode("utf-8", "surrogatepass")})
                assert answer.status_code < 500, (operation.path, name, text[:40])
                if "$" in name:
                    assert answer.status_code == 400, (operation.path, name, answer.status_code)


def test_nasty_bodies_are_the_askers_mistake(session: str) -> None:
    client = Client()
    client.force_login(get_user_model().objects.get(username="fuzzer"))
    for operation in operations(session):
        if operation.method.upper() not in ("POST", "PUT", "PATCH"):
            continue
        path = operation.full_path.replace("{", "").replace("}", "")
        bodies = [
            DEEP,
            "{",
            "NaN",
            '{"a": NaN}',
            '{"a": 1e999}',
            "",
            "null",
            '"text"',
            "\ud800",
            *map(json.dumps, NASTY),
        ]
        for field in _fields(operation):
            bodies += [json.dumps({field: value}) for value in NASTY]
        for body in bodies:
            answer = client.generic(
                operation.method.upper(), path, body.encode("utf-8", "surrogatepass"), "application/json"
            )
            assert 400 <= answer.status_code < 500, (operation.path, answer.status_code, body[:60])


def _fields(operation: Any) -> list[str]:
    """The names of what a body may hold."""
    names: list[str] = []
    for body in operation.body:
        schema = (
            body.as_json_schema(operation) if hasattr(body, "as_json_schema") else body.definition.get("schema", {})
        )
        names += schema.get("properties", {})
    return names

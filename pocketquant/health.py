"""Is each service reachable, is the stream alive? Open to everyone, so it says nothing but words and milliseconds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pymongo
import redis
import structlog
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from pymongo.errors import PyMongoError

from domain.errors import StoreUnavailable
from marketdata.mongo import database
from quotes.cache import STREAMER

log = structlog.get_logger(__name__)
PASS, WARN, FAIL = "pass", "warn", "fail"
_ORDER = (PASS, WARN, FAIL)
_TIMEOUT_SECONDS = 2.0
# Beats come each 5 s; two missed mean that the streamer is not to be trusted.
PULSE_SECONDS = 11.0
Check = dict[str, Any]


@login_not_required
@never_cache
@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    """This process answers: nothing else is asked."""
    return JsonResponse({"status": PASS})


@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """503 if SQL or MongoDB is away. Redis or the streamer away is a warning: stored bars are still served."""
    checks = {
        "sql": _timed(_sql, FAIL),
        "mongodb": _timed(_mongodb, FAIL),
        "redis": _timed(_redis, WARN),
        "streamer": _timed(_streamer, WARN),
    }
    worst = max((check["status"] for check in checks.values()), key=_ORDER.index)
    return JsonResponse({"status": worst, "checks": checks}, status=503 if worst == FAIL else 200)


def _timed(probe: Callable[[], str], otherwise: str) -> Check:
    """``probe`` returns what to say of a service that is not well, or nothing."""
    start = time.perf_counter()
    try:
        said = probe()
    except (DatabaseError, PyMongoError, StoreUnavailable, redis.RedisError) as error:
        log.warning("a health check failed", check=probe.__name__.strip("_"), reason=str(error)[:300])
        said = "does not answer"
    milliseconds = round((time.perf_counter() - start) * 1000, 1)
    return {"status": otherwise if said else PASS, "said": said, "milliseconds": milliseconds}


def _sql() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def _mongodb() -> str:
    with pymongo.timeout(_TIMEOUT_SECONDS):
        hello = database().client.admin.command("hello")
    return "" if hello.get("isWritablePrimary") else "takes no writes"


def _redis() -> str:
    with _redis_client() as client:
        client.ping()
    return ""


def _streamer() -> str:
    age = pulse_age()
    if age is None:
        return "is not running"
    return "" if age < PULSE_SECONDS else f"silent for {age:.0f} s"


def pulse_age() -> float | None:
    """Seconds since the streamer last said that it lives; None if it has not for long. Raises RedisError."""
    with _redis_client() as client:
        pulse = client.get(STREAMER)
    return None if pulse is None else time.time() - json.loads(pulse)["time"]


def _redis_client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, retry=None
    )

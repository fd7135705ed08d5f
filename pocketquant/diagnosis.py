"""What `manage.py doctor` looks at: each check says how things are, and what to do if they are not well."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pymongo
import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from pymongo.errors import PyMongoError

from pocketquant.embedded import lock, mongod, paths, valkey
from pocketquant.embedded.errors import EmbeddedError
from pocketquant.health import PULSE_SECONDS, pulse_age

OK, WARN, FAIL = "ok", "warn", "fail"
_START = "`make run` starts everything."
_LEAST_FREE_BYTES = 1_000_000_000


@dataclass(frozen=True)
class Finding:
    """``remedy`` is empty where all is well."""

    check: str
    status: str
    said: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """One finding after the other, as they come; none waits longer than a few seconds."""
    for check in (
        _python,
        _environment,
        _data_folder,
        _mongod_program,
        _valkey_program,
        _running,
        _sql,
        _mongodb,
        _redis,
        _site,
        _streamer,
        _demo_market,
        _token,
    ):
        yield check()


def _python() -> Finding:
    return Finding("python", OK, f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _environment() -> Finding:
    if settings.ENVIRONMENT_WARNINGS:
        return Finding("settings", WARN, "; ".join(settings.ENVIRONMENT_WARNINGS), "Correct or remove the variable.")
    return Finding("settings", OK, "all values can be used")


def _data_folder() -> Finding:
    var = settings.VAR_DIR
    free = shutil.disk_usage(var).free
    said = f"{var}, {free / 1e9:.1f} GB free, sockets in {paths.run_dir(var)}"
    if not os.access(var, os.W_OK):
        return Finding("data folder", FAIL, f"{var} cannot be written", "Change its owner, or set POCKETQUANT_VAR.")
    if free < _LEAST_FREE_BYTES:
        return Finding("data folder", WARN, said, "Make room, or set POCKETQUANT_VAR to a folder on another disk.")
    return Finding("data folder", OK, said)


def _program(name: str, is_embedded: bool, find: Callable[[], str]) -> Finding:
    if not is_embedded:
        return Finding(name, OK, "not needed: the environment names another server")
    try:
        return Finding(name, OK, find())
    except EmbeddedError as error:
        problem, _, remedy = str(error).partition("\n\n")
        return Finding(name, FAIL, problem, remedy)


def _mongod_program() -> Finding:
    return _program("mongod", settings.MONGODB_IS_EMBEDDED, mongod.version)


def _valkey_program() -> Finding:
    return _program("valkey", settings.REDIS_IS_EMBEDDED, valkey.version)


def _running() -> Finding:
    running = lock.alive(settings.VAR_DIR)
    if running is None:
        return Finding("supervisor", WARN, "not running", _START)
    return Finding("supervisor", OK, f"pid {running.pid}, {running.url}")


def _sql() -> Finding:
    engine = connection.vendor
    try:
        executor = MigrationExecutor(connection)
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError as error:
        remedy = "Is the server of DATABASE_URL running, and are user, password and name right?"
        return Finding("sql", FAIL, f"{engine} does not answer: {_short(error)}", remedy)
    if missing:
        return Finding(
            "sql",
            WARN,
            f"{engine}: {missing} migrations to apply",
            "`manage.py migrate` applies them; a start does so too.",
        )
    return Finding("sql", OK, f"{engine}, up to date")


def _away(name: str, is_embedded: bool, variable: str, error: Exception) -> Finding:
    """A store that does not answer: no fault while it is ours to start and nobody has started it."""
    if not is_embedded:
        return Finding(name, FAIL, f"does not answer: {_short(error)}", f"Is the server of {variable} running?")
    if lock.alive(settings.VAR_DIR) is None:
        return Finding(name, WARN, "not running", _START)
    return Finding(name, FAIL, f"does not answer: {_short(error)}", f"See {settings.VAR_DIR / 'log'}")


def _mongodb() -> Finding:
    try:
        client: pymongo.MongoClient[dict[str, Any]]
        with pymongo.MongoClient(settings.MONGODB_URI, serverSelectionTimeoutMS=2000) as client:
            hello = client.admin.command("hello")
            version = client.server_info()["version"]
    except PyMongoError as error:
        return _away("mongodb", settings.MONGODB_IS_EMBEDDED, "MONGODB_URI", error)
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        remedy = "Start it with --replSet and call rs.initiate() once; one node is enough."
        return Finding("mongodb", FAIL, f"{version} is not a replica set, so it has no transactions", remedy)
    return Finding("mongodb", OK, f"{version}, writable: {'yes' if hello['isWritablePrimary'] else 'no'}")


def _redis() -> Finding:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, retry=None) as client:
            version = client.info("server")["redis_version"]
    except redis.RedisError as error:
        return _away("redis", settings.REDIS_IS_EMBEDDED, "REDIS_URL", error)
    return Finding("redis", OK, f"speaks as {version}")


def _site() -> Finding:
    running = lock.alive(settings.VAR_DIR)
    if running is None:
        return _port_when_not_running()
    try:
        with urllib.request.urlopen(f"{running.url}/readyz", timeout=5) as answer:  # noqa: S310 - our own http address
            said = f"{running.url} answers {answer.status}"
    except urllib.error.HTTPError as error:
        said = f"{running.url} answers {error.code}"
        return Finding("site", FAIL, said, f"See {settings.VAR_DIR / 'log' / 'web.log'}")
    except OSError as error:
        return Finding("site", FAIL, f"{running.url}: {_short(error)}", f"See {settings.VAR_DIR / 'log' / 'web.log'}")
    return Finding("site", OK, said)


def _port_when_not_running() -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", settings.PORT))
        except OSError:
            remedy = "The next free one will be used; or set POCKETQUANT_PORT."
            return Finding("site", WARN, f"not running; port {settings.PORT} is taken by another program", remedy)
    return Finding("site", WARN, f"not running; port {settings.PORT} is free", _START)


def _streamer() -> Finding:
    try:
        age = pulse_age()
    except redis.RedisError:
        return Finding("streamer", WARN, "unknown without redis", _START)
    if age is None:
        return Finding("streamer", WARN, "not running", _START)
    if age > PULSE_SECONDS:
        remedy = f"See {settings.VAR_DIR / 'log' / 'streamer.log'}"
        return Finding("streamer", FAIL, f"silent for {age:.0f} s", remedy)
    return Finding("streamer", OK, f"said something {age:.0f} s ago")


def _demo_market() -> Finding:
    parts = urlsplit(settings.DEMO_MARKET_URL)
    began = time.monotonic()
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=2):
            milliseconds = (time.monotonic() - began) * 1000
    except OSError as error:
        remedy = f"Only DEMO: symbols need it. {_START}"
        return Finding("demo market", WARN, f"{settings.DEMO_MARKET_URL}: {_short(error)}", remedy)
    return Finding("demo market", OK, f"{settings.DEMO_MARKET_URL} accepts after {milliseconds:.0f} ms")


def _token() -> Finding:
    if settings.TRADINGVIEW_TOKEN:
        return Finding("tradingview", OK, "uses the token of the settings")
    return Finding("tradingview", OK, "anonymous: some exchanges are delayed; TRADINGVIEW_TOKEN changes that")


def _short(error: Exception) -> str:
    return str(error).split(", Timeout:")[0].strip()[:200] or type(error).__name__

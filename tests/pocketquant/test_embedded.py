"""The pieces that the supervisor is made of."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pymongo import MongoClient

from pocketquant.embedded import leftovers, logfiles, mongod, paths, ports, probes
from pocketquant.embedded.child import Child
from pocketquant.embedded.errors import EmbeddedError, ServerMissing
from pocketquant.embedded.lock import AlreadyRunning, Lock, Running, alive, boot, read, started_at
from pocketquant.embedded.mongod import Mongod
from pocketquant.embedded.sockets import wait_until_ready
from tests.pocketquant.processes import is_alive, until

ROOT = Path(__file__).parents[2]


# Ports


def test_the_port_that_was_asked_for_is_taken_if_free():
    with ports.listen("127.0.0.1", free := ports.free_port("127.0.0.1", 20_000)) as listener:
        assert listener.getsockname() == ("127.0.0.1", free)


def test_a_taken_port_gives_the_next_free_one():
    with ports.listen("127.0.0.1", 21_000) as first, ports.listen("127.0.0.1", 21_000) as second:
        assert second.getsockname()[1] > first.getsockname()[1]
        assert ports.free_port("127.0.0.1", 21_000) > second.getsockname()[1]


def test_two_ports_of_one_start_differ():
    free = ports.free_port("127.0.0.1", 22_000)
    assert ports.free_port("127.0.0.1", free, besides=free) > free


def test_an_address_that_is_not_ours_is_an_error_in_words():
    with pytest.raises(EmbeddedError, match=r"Cannot listen at 192\.0\.2\.1"):
        ports.listen("192.0.2.1", 8000)


# Paths


def test_sockets_lie_in_the_data_folder(tmp_path):
    assert paths.run_dir(Path("/home/me/pq/var")) == Path("/home/me/pq/var/run")


def test_a_long_path_gets_a_short_private_folder_of_its_own():
    first, second = (paths.run_dir(Path("/" + "é" * 60 + name)) for name in "ab")
    assert first != second
    assert len(os.fsencode(first / "mongod.sock")) < 100
    assert str(os.getuid()) in first.name


def test_a_folder_of_somebody_else_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(paths.tempfile, "gettempdir", lambda: str(tmp_path))
    var = Path("/" + "x" * 90)
    paths.run_dir(var).mkdir(mode=0o777)
    paths.run_dir(var).chmod(0o777)
    with pytest.raises(EmbeddedError, match="others"):
        paths.make_run_dir(var)


# The lock


def test_one_supervisor_a_folder(tmp_path):
    lock = Lock(tmp_path)
    lock.running.url = "http://127.0.0.1:8001"
    lock.write()
    with pytest.raises(AlreadyRunning, match=rf"pid {os.getpid()}\) at http://127.0.0.1:8001"):
        Lock(tmp_path)
    assert alive(tmp_path) == lock.running
    lock.release()
    assert read(tmp_path) == Running()
    Lock(tmp_path).release()


def test_a_killed_supervisor_leaves_no_lock_but_its_record(tmp_path):
    code = (
        "import sys, pathlib, time; from pocketquant.embedded.lock import Lock\n"
        "lock = Lock(pathlib.Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(AlreadyRunning):
        Lock(tmp_path)
    holder.kill()
    holder.communicate()
    assert alive(tmp_path) is None
    lock = Lock(tmp_path)
    assert lock.before.pid == holder.pid
    lock.release()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"unknown": 1}', "null"])
def test_a_spoilt_record_is_no_record(tmp_path, text):
    (tmp_path / "up.json").write_text(text)
    assert read(tmp_path) == Running()


def test_a_command_beside_finds_the_demo_market(tmp_path):
    lock = Lock(tmp_path)
    lock.running.demo_market_url = "ws://127.0.0.1:8799/socket.io/websocket"
    lock.write()
    env = os.environ | {"POCKETQUANT_VAR": str(tmp_path)}
    code = "from pocketquant import settings; print(settings.DEMO_MARKET_URL)"
    command = [sys.executable, "-c", code]
    beside = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert beside.stdout.strip() == lock.running.demo_market_url
    lock.release()
    alone = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert ":8765/" in alone.stdout


# What is left of a killed run


def test_what_is_left_is_waited_for_and_then_killed():
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); signal.pause()"
    left = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE, start_new_session=True)
    left.stdout.readline()
    Thread(target=left.wait, daemon=True).start()  # somebody reaps it, as init would
    before = Running(pid=1, boot=boot(), children={str(left.pid): started_at(left.pid)})
    assert leftovers.still_there(before) == [left.pid]
    leftovers.wait_for_end(before, patience_seconds=0.2)
    assert leftovers.still_there(before) == []


@pytest.mark.parametrize("change", [{"boot": "another"}, {"ticks": 1}])
def test_a_number_that_another_process_has_now_is_left_alone(change):
    other = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
    ticks = started_at(other.pid) + change.get("ticks", 0)
    before = Running(pid=1, boot=change.get("boot", boot()), children={str(other.pid): ticks})
    leftovers.wait_for_end(before, patience_seconds=0.1)
    assert other.poll() is None
    other.kill()
    other.wait()


# Log files


def test_a_log_that_grows_too_long_is_cut_and_its_writer_goes_on(tmp_path):
    path = tmp_path / "web.log"
    with path.open("a") as writer:
        writer.write("x" * 2000)
        writer.flush()
        assert logfiles.bound(tmp_path, limit_bytes=1000) == [path]
        writer.write("after")
        writer.flush()
    assert path.read_text() == "after"
    assert (tmp_path / "web.log.1").read_text() == "x" * 2000
    assert logfiles.bound(tmp_path, limit_bytes=1000) == []


# Children


def test_a_child_ends_when_its_parent_is_killed(tmp_path):
    code = (
        "import pathlib, sys, time; from pocketquant.embedded.child import Child\n"
        "child = Child('c', [sys.executable, '-c', 'import time; time.sleep(60)'], log=pathlib.Path(sys.argv[1]))\n"
        "child.start(); print(child.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "log")]
    parent = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    assert is_alive(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until(lambda: not is_alive(pid), 10, "the child ends")


def test_the_last_lines_are_those_of_this_run(tmp_path):
    child = Child("c", [sys.executable, "-c", "print('one\\ntwo')"], log=tmp_path / "c.log")
    for _ in range(2):
        child.start()
        assert child.wait(20)
    assert child.last_lines() == ["one", "two"]


# Probes


class _Answering(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self):
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *args):
        """Silent."""


def test_the_probe_waits_for_an_answer_not_for_a_connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        probe = probes.HttpProbe("127.0.0.1", listener.getsockname()[1])
        assert not any(probe.answers() for _ in range(5))  # the kernel has accepted, nobody has answered
        server = HTTPServer(listener.getsockname(), _Answering, bind_and_activate=False)
        server.socket.close()
        server.socket = listener
        Thread(target=server.handle_request, daemon=True).start()
        until(probe.answers, 10)


def test_an_answer_of_500_is_not_ready(monkeypatch):
    monkeypatch.setattr(_Answering, "status", 500)
    with HTTPServer(("127.0.0.1", 0), _Answering) as server:
        Thread(target=server.handle_request, daemon=True).start()
        probe = probes.HttpProbe("127.0.0.1", server.server_port)
        until(lambda: probe.answers() or probe._socket is None, 10)
        assert not probe.answers()


# MongoDB


@pytest.fixture
def mongo_folder():
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="pq-m-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def a_mongod(folder):
    return Mongod(data=folder / "data", run=folder / "run", log=folder / "log" / "mongod.log")


def write_and_count(server):
    with MongoClient(server.uri) as client:
        with client.start_session() as session, session.start_transaction():
            client.test.things.insert_one({}, session=session)
        return client.test.things.count_documents({})


def test_mongod_survives_a_kill_and_a_move_of_its_folder(mongo_folder):
    first = mongo_folder / "first place"
    server = a_mongod(first)
    server.start()
    try:
        wait_until_ready(server)
        assert write_and_count(server) == 1
        assert server.socket.stat().st_mode & 0o077 == 0
        os.kill(server.child.pid, signal.SIGKILL)
        server.child.wait(10)
        server.start()
        wait_until_ready(server)
        assert write_and_count(server) == 2
    finally:
        server.stop()
    second = first.rename(mongo_folder / "second place")
    server = a_mongod(second)
    server.start()
    try:
        wait_until_ready(server)
        assert write_and_count(server) == 3
    finally:
        assert server.stop()


def test_mongod_that_cannot_run_says_what_to_do(tmp_path):
    broken = tmp_path / "mongod"
    broken.write_text(
        "#!/bin/sh\necho 'error while loading shared libraries: libcurl.so.4: cannot open' >&2\nexit 127\n"
    )
    broken.chmod(0o755)
    with pytest.raises(ServerMissing) as caught:
        mongod.version(broken)
    assert "libcurl.so.4" in str(caught.value)
    assert "apt-get install libcurl4" in str(caught.value)
    assert "MONGODB_URI" in str(caught.value)


# The gate


def test_a_program_waits_behind_its_gate(tmp_path):
    read_end, write_end = os.pipe()
    command = [sys.executable, "-m", "pocketquant.embedded.gate", str(read_end), "manage", "doctor", "--json"]
    process = subprocess.Popen(command, cwd=ROOT, pass_fds=[read_end], stdout=subprocess.PIPE, text=True)
    os.close(read_end)
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=1.5)
    os.close(write_end)
    lines = process.communicate(timeout=60)[0].splitlines()
    assert json.loads(lines[0])["check"] == "python"

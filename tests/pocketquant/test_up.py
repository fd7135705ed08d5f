"""`manage.py up`, the whole of it: real servers and programs, in a folder whose path has blanks and is long."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from pocketquant.embedded.paths import run_dir
from tests.pocketquant.processes import Running, child_of_supervisor, is_alive, until, with_environment

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(180)]
PARTS = {"mongod", "valkey", "web", "demo", "streamer", "worker"}


class Site:
    """A started PocketQuant and a browser of sorts."""

    def __init__(self, var):
        self.var = var
        self.env = {
            name: value
            for name, value in os.environ.items()
            if name not in ("DJANGO_SETTINGS_MODULE", "POCKETQUANT_PORT", "DEMO_MARKET_PORT")
        } | {"POCKETQUANT_VAR": str(var)}
        self.cookies = {}
        self.run = None

    def start(self, *arguments):
        self.env.setdefault("DEMO_WINDOW_BARS", "100")  # first syncs would keep both cores busy for a minute
        self.run = Running([sys.executable, "manage.py", "up", *arguments], cwd=ROOT, env=self.env)
        return self.run

    def wait_until_ready(self):
        self.url = re.search(r"Open (http://\S+)/", self.run.wait_for("Open http://"))[1]
        self.run.wait_for("Ctrl-C ends everything")

    def manage(self, *arguments):
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def request(self, method, path, body="", **headers):
        host = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPConnection(host.hostname, host.port, timeout=20)
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        connection.close()
        return answer.status, text

    def health(self):
        """What each check says, or nothing while the site does not answer."""
        try:
            return {
                name: check["status"] for name, check in json.loads(self.request("GET", "/readyz")[1])["checks"].items()
            }
        except (OSError, http.client.HTTPException):
            return {}

    def sign_in(self, link):
        path = urllib.parse.urlsplit(link).path
        assert self.request("GET", path)[0] == 200
        status, _ = self.request("POST", path, f"csrfmiddlewaretoken={self.cookies['csrftoken']}")
        assert status == 302

    def pid(self, part):
        marks = {"valkey": "valkey-server", "web": "pocketquant.asgi:application", "demo": "demo_market"}
        marks |= {"streamer": "stream_quotes", "worker": "qcluster"}
        return child_of_supervisor(self.var, marks.get(part, part))

    def processes(self):
        return with_environment("POCKETQUANT_VAR", self.var)


@pytest.fixture(scope="module")
def site():
    """Started once; the ports it would like best are taken."""
    root = Path(tempfile.mkdtemp(prefix="pq-up-"))
    var = root / "a folder with blanks & ünicode" / ("a long name that leaves no room for a socket " * 2).strip()
    site = Site(var)
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        site.taken, site.taken_demo = one.getsockname()[1], other.getsockname()[1]
        site.env["DEMO_MARKET_PORT"] = str(site.taken_demo)
        site.began = time.monotonic()
        site.start("--port", str(site.taken))
        try:
            site.wait_until_ready()
            yield site
        finally:
            site.run.end()
            for pid in site.processes():
                os.kill(pid, signal.SIGKILL)
            shutil.rmtree(root, ignore_errors=True)
            shutil.rmtree(run_dir(var), ignore_errors=True)


def test_a_taken_port_is_said_and_the_next_one_used(site):
    assert f"Port {site.taken} is taken; the site uses" in site.run.text
    assert f"Port {site.taken_demo} is taken; the demo market uses" in site.run.text
    assert int(site.url.rpartition(":")[2]) > site.taken
    assert site.request("GET", "/livez")[0] == 200


def test_every_part_is_said_to_be_ready(site):
    for part in PARTS:
        assert re.search(rf"{part} +ready after", site.run.text)


def test_a_stranger_is_sent_to_the_sign_in_page(site):
    status, _ = site.request("GET", "/chart/DEMO:BTCUSD")
    assert status == 302


def test_the_printed_link_signs_in_once_and_no_log_has_it(site):
    link = site.run.wait_for("Sign in, once").rpartition(" ")[2]
    assert (site.var / "sign-in-link").read_text().strip() == link
    site.sign_in(link)
    assert site.request("GET", "/api/v1/symbols")[0] == 200
    assert Site.request(site, "GET", urllib.parse.urlsplit(link).path)[0] == 410
    secret = link.rstrip("/").rpartition("/")[2]
    for log in (site.var / "log").iterdir():
        assert secret not in log.read_text(errors="replace"), log.name


def test_a_candle_moves(site):
    cookie = "; ".join(f"{name}={value}" for name, value in site.cookies.items())
    address = site.url.replace("http", "ws") + "/ws/live/"
    closes = set()
    with connect(address, additional_headers={"Cookie": cookie}, origin=site.url) as live:
        live.send(json.dumps({"type": "subscribe", "symbols": ["DEMO:BTCUSD"], "intervals": ["1m"]}))
        received = 0
        deadline = time.monotonic() + 40
        while len(closes) < 2:
            message = json.loads(live.recv(timeout=deadline - time.monotonic()))
            received += 1
            live.send(json.dumps({"type": "ack", "n": received}))
            if message["type"] == "bar" and message["interval"] == "1m" and message["state"] == "forming":
                closes.add(message["bar"]["close"])
    print(f"first moving candle {time.monotonic() - site.began:.1f} s after the start")


def test_a_socket_of_a_foreign_page_is_closed(site):
    cookie = "; ".join(f"{name}={value}" for name, value in site.cookies.items())
    address = site.url.replace("http", "ws") + "/ws/live/"
    live = connect(address, additional_headers={"Cookie": cookie}, origin="http://evil.example")
    with live, pytest.raises(ConnectionClosed, match="4403"):
        live.recv(timeout=10)


def test_a_second_start_says_that_one_is_running_and_where(site):
    second = site.manage("up")
    assert second.returncode == 1
    assert f"already running (pid {site.run.process.pid}) at {site.url}" in second.stderr


def test_commands_beside_find_the_site_and_the_demo_market(site):
    link = site.manage("signin")
    assert link.returncode == 0
    assert link.stdout.startswith(f"{site.url}/signin/")
    findings = {line["check"]: line for line in map(json.loads, site.manage("doctor", "--json").stdout.splitlines())}
    assert {findings[check]["status"] for check in ("sql", "mongodb", "redis", "site", "streamer", "demo market")} == {
        "ok"
    }
    assert str(site.taken_demo) not in findings["demo market"]["said"]


@pytest.mark.parametrize("part", ["web", "streamer", "worker", "demo", "valkey", "mongod"])
def test_a_killed_part_heals_by_itself_and_it_is_said(site, part):
    seen = len(site.run.lines)
    killed = site.pid(part)
    children = [pid for pid in site.processes() if _parent(pid) == killed]
    os.kill(killed, signal.SIGKILL)
    site.run.wait_for(f"{part} was killed by signal 9", 10, after=seen)
    site.run.wait_for(f"{part} is back", 30, after=seen)
    assert site.pid(part) not in (None, killed)
    until(lambda: not any(map(is_alive, children)), 10, "its own children end")
    until(lambda: set(site.health().values()) == {"pass"}, 40, f"all is well again; it is {site.health()}")


def test_it_ends_in_time_and_leaves_nothing_behind(site):
    began = time.monotonic()
    site.run.signal(signal.SIGTERM)
    assert site.run.wait(30) == 0
    took = time.monotonic() - began
    assert site.processes() == []
    assert took < 10
    assert json.loads((site.var / "up.json").read_text() or "{}") == {}
    assert "did not end in time" not in site.run.text


def test_a_killed_supervisor_takes_all_with_it_and_the_next_start_heals(site):
    site.start("--port", str(site.taken))
    site.wait_until_ready()
    assert "Sign in, once" not in site.run.text  # somebody has come in before
    site.run.signal(signal.SIGKILL)
    site.run.wait(10)
    site.start("--port", str(site.taken))
    site.wait_until_ready()
    assert site.request("GET", "/api/v1/symbols")[0] == 200  # the session is still good
    site.run.signal(signal.SIGINT)
    assert site.run.wait(30) == 0
    assert site.processes() == []


def _parent(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
    except FileNotFoundError:
        return 0


def test_servers_of_ones_own_replace_the_embedded_ones(tmp_path):
    """Those of this test process are somebody else's to the one that is started."""
    from django.conf import settings

    own = Site(tmp_path / "var")
    own.env |= {
        "MONGODB_URI": settings.MONGODB_URI,
        "MONGODB_DATABASE": "of_ones_own",
        "REDIS_URL": settings.REDIS_URL,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'elsewhere.sqlite3'}",
    }
    own.start("--no-demo", "--port", "18000")
    try:
        own.wait_until_ready()
        assert own.pid("mongod") is None
        assert own.pid("valkey") is None
        assert own.pid("demo") is None
        assert (tmp_path / "elsewhere.sqlite3").exists()
        assert not (own.var / "pocketquant.sqlite3").exists()
        until(lambda: set(own.health().values()) == {"pass"}, 20, "all is well")
        own.run.signal(signal.SIGTERM)
        assert own.run.wait(30) == 0
        assert own.processes() == []
    finally:
        own.run.end()


def test_a_server_of_ones_own_that_is_away_is_named_at_the_start(tmp_path):
    own = Site(tmp_path / "var")
    own.env["REDIS_URL"] = "redis://127.0.0.1:1"
    own.start("--no-demo", "--port", "18100")
    try:
        own.wait_until_ready()
        assert "But redis does not answer: the rest waits for it." in own.run.text
        assert "But streamer" not in own.run.text
    finally:
        own.run.end()


def test_a_data_folder_that_cannot_be_used_is_said_in_a_sentence():
    """Nobody, root included, makes files in /proc."""
    own = Site("/proc")
    said = own.manage("up")
    assert said.returncode == 2
    assert said.stderr.startswith("The data folder ")
    assert "POCKETQUANT_VAR" in said.stderr
    assert "Traceback" not in said.stderr

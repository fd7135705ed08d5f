"""A whole PocketQuant of our own for the browser to look at, and the browser."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from tests.pocketquant.processes import Running

ROOT = Path(__file__).parents[2]
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """The browser to drive: PQ_CHROMIUM, else the first that is on PATH."""
    return os.environ.get("PQ_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)


NO_CHROMIUM = "no Chromium: install the package chromium, or name one in PQ_CHROMIUM"


def launch(playwright):
    return playwright.chromium.launch(executable_path=chromium(), args=["--disable-dev-shm-usage"])


class System:
    """``manage.py up`` in a folder of its own, at whatever ports are free."""

    def __init__(self):
        # Not below pytest's folders: their paths are too long for sockets.
        self.var = Path(tempfile.mkdtemp(prefix="pq-browser-"))
        self.env = env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        env |= {"POCKETQUANT_VAR": str(self.var), "POCKETQUANT_ENV_FILE": os.devnull}
        # First syncs of whole windows would keep both cores busy for a minute, which is not what is tested here: just
        # more bars than a chart's first page has.
        env |= {"DEMO_WINDOW_BARS": "1200"}
        self.running = Running([sys.executable, "manage.py", "up"], cwd=ROOT, env=env)

    def wait_until_ready(self):
        line = self.running.wait_for("Open http://", timeout_seconds=60)
        self.url = re.search(r"Open (http://\S+?)/?$", line)[1]
        self.running.wait_for("Ctrl-C ends everything", timeout_seconds=30)
        self.link = (self.var / "sign-in-link").read_text().strip()
        return self

    def pid_of(self, word: str) -> int:
        """The child process that has ``word`` in its command."""
        children = json.loads((self.var / "up.json").read_text())["children"]
        alive = [pid for pid in children if Path(f"/proc/{pid}").exists()]  # what runs once has ended
        return next(int(pid) for pid in alive if word in Path(f"/proc/{pid}/cmdline").read_text())

    @property
    def demo_url(self):
        market = json.loads((self.var / "up.json").read_text())["demo_market_url"]
        return re.sub(r"^ws(://[^/]+)/.*", r"http\1", market)

    def set_faults(self, query: str):
        parts = urlsplit(self.demo_url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=5)
        connection.request("POST", f"/faults?{query}")
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        connection.close()

    def stop(self):
        if self.running.process.poll() is None:
            self.running.signal(signal.SIGINT)
            self.running.wait(40)
        shutil.rmtree(self.var, ignore_errors=True)


def sign_in(browser, system) -> dict:
    """Through the one-time link, as a person does; returns the browser's state for further contexts."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(system.link)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/chart/**")
    state = context.storage_state()
    context.close()
    return state

"""One system and one browser for all tests of this folder, and pages that are watched for what must not happen on them.

For this folder and no longer, so that Playwright's event loop is gone before other tests begin.
"""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.steps import BITCOIN, PATIENT, legend
from tests.browser.system import NO_CHROMIUM, System, chromium, launch, sign_in
from tests.pocketquant.processes import until

FOLDER = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    """What all of them have in common; the group is that of other whole systems, which would disturb each other."""
    for item in items:
        if item.path.parent == FOLDER:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(150))
            item.add_marker(pytest.mark.untraced)  # tests/pocketquant/test_up.py measures the same processes
            item.add_marker(pytest.mark.xdist_group("up"))
            item.add_marker(pytest.mark.skipif(chromium() is None, reason=NO_CHROMIUM))


@pytest.fixture(scope="package")
def system():
    started = System()
    try:
        yield started.wait_until_ready()
    finally:
        started.stop()


@pytest.fixture(scope="package")
def browser(system):
    with sync_playwright() as playwright:
        running = launch(playwright)
        yield running
        running.close()


@pytest.fixture(scope="package")
def state(browser, system):
    return sign_in(browser, system)


@pytest.fixture(scope="package")
def watching(browser, state, system):
    """A page that stays open while other tests run, until a minute has closed before its eyes; and since when."""
    page = browser.new_context(storage_state=state, base_url=system.url, reduced_motion="reduce").new_page()
    page.goto(f"{BITCOIN}?interval=1m&tz=UTC")
    expect(legend(page)).to_contain_text("forming", timeout=PATIENT)
    return page, time.time()


@pytest.fixture(scope="package")
def synced(browser, state, system):
    """The first syncs, which begin with the system, have ended."""
    context = browser.new_context(storage_state=state, base_url=system.url)
    address = "/api/v1/sync/runs?kind=first&state=running&limit=1"
    until(lambda: not context.request.get(address).json()["runs"], 60, "the end of the first syncs")
    context.close()


class Witness:
    """What must not happen on a page: errors on its console, and requests to others."""

    def __init__(self, page, host):
        self.errors = []
        self.foreign = []
        page.on(
            "console", lambda message: message.type == "error" and self.errors.append(f"{page.url}: {message.text}")
        )
        page.on("pageerror", lambda error: self.errors.append(f"{page.url}: {error}"))
        page.on("request", lambda r: urlsplit(r.url).netloc not in (host, "") and self.foreign.append(r.url))

    def forgive(self, status):
        """Chromium itself writes on the console that an answer was an error; once, where that was meant."""
        [one] = [error for error in self.errors if f"responded with a status of {status} " in error][:1]
        self.errors.remove(one)


@pytest.fixture
def open_page(browser, state, system):
    """Opens pages that nobody else has; afterwards none may have logged an error or asked another host."""
    contexts, witnesses = [], []

    def open_(path, *, setup=None, wait_until="load", **options):
        options = {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"} | options
        options["reduced_motion"] = "reduce"  # a pulsing dot means 60 pictures a second, painted by the processor
        context = browser.new_context(storage_state=state, base_url=system.url, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENT)
        witnesses.append(Witness(page, urlsplit(system.url).netloc))
        if setup:
            setup(page)
        page.goto(path, wait_until=wait_until)
        return page

    open_.witnesses = witnesses
    yield open_
    for context in contexts:
        context.close()
    assert [error for witness in witnesses for error in witness.errors] == []
    assert [url for witness in witnesses for url in witness.foreign] == []

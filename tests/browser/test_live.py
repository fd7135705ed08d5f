"""What the chart shows of its feed: bars as they close, and each way in which prices can stop coming."""

from __future__ import annotations

import os
import re
import signal
import time

from playwright.sync_api import expect

from tests.browser.steps import BITCOIN, PATIENT, rows, wait_for_live
from tests.pocketquant.processes import until
from web.templatetags.figures import compact, price


def test_a_closed_bar_is_the_one_the_api_has(watching, system):
    page, since = watching
    minute = int(since) // 60 * 60  # the bar that was forming when the page was opened
    page.wait_for_timeout(max(0, (minute + 63 - time.time()) * 1000))
    opened = time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime(minute))
    page.locator("#table-toggle").click()

    def is_the_same():
        """History may confirm or correct the bar just now, and the page follows."""
        address = f"/api/v1/bars?symbols=DEMO:BTCUSD&interval=1m&start={opened}&limit=1&order=asc"
        bar = page.request.get(address).json()["bars"][0]
        figures = [price(bar[field], 2) for field in ("open", "high", "low", "close")] + [compact(bar["volume"])]
        shown = {row[0]: row[1:] for row in rows(page)}
        return bar["open_time"] == opened and shown.get(opened[:16].replace("T", " ")) == figures

    until(is_the_same, 15, "the page showing what the API has")


def test_a_lost_socket_is_shown_and_comes_back_whole(open_page):
    sockets, is_open = [], [True]

    def between(socket):
        if is_open[0]:
            socket.connect_to_server()
            sockets.append(socket)
        else:
            socket.close(code=1013, reason="away")

    page = open_page(BITCOIN, setup=lambda page: page.route_web_socket("**/ws/live/", between))
    wait_for_live(page)
    is_open[0] = False
    sockets[0].close(code=1012, reason="restart")
    expect(page.locator("#live-word")).to_have_text("Offline", timeout=PATIENT)
    expect(page.locator("#banner")).to_contain_text("No live prices for")
    expect(page.locator("#chart-page")).to_have_class(re.compile("is-stale"))
    is_open[0] = True
    page.get_by_role("button", name="Retry now").click()
    wait_for_live(page)
    expect(page.locator("#banner")).to_be_hidden()


def test_a_feed_that_stalls_is_stale_within_15_seconds_and_recovers(system, open_page):
    page = open_page(BITCOIN)
    wait_for_live(page)
    began = time.monotonic()
    system.set_faults("stall=true")
    try:
        expect(page.locator("#chart-page")).to_have_class(re.compile("is-stale"), timeout=PATIENT)
        assert time.monotonic() - began < 15
        expect(page.locator("#banner")).to_contain_text("Prices as of")
        expect(page.locator("#live-word")).not_to_have_text("Live")
    finally:
        system.set_faults("stall=false")
    # What the provider was asked during the stall it never answers: the streamer gives up on it first.
    expect(page.locator("#live-word")).to_have_text("Live", timeout=60_000)
    expect(page.locator("#banner")).to_be_hidden()


def test_a_streamer_that_falls_silent_is_named_without_leaving_the_socket(system, open_page):
    sockets = []
    page = open_page(BITCOIN, setup=lambda page: page.on("websocket", lambda socket: sockets.append(socket)))
    wait_for_live(page)
    streamer = system.pid_of("stream_quotes")
    os.kill(streamer, signal.SIGSTOP)
    try:
        began = time.monotonic()
        expect(page.locator("#live-word")).to_have_text("Stale", timeout=PATIENT)
        assert time.monotonic() - began < 15
        # At first the page knows that much by itself; then the server says which part it is.
        expect(page.locator("#banner")).to_contain_text(re.compile("stream is silent|streamer has fallen silent"))
        expect(page.locator("#banner-action")).to_be_hidden()  # trying again would change nothing
        assert len(sockets) == 1  # it is kept, for how long is tested with a clock of its own (live.test.mjs)
    finally:
        os.kill(streamer, signal.SIGCONT)
    expect(page.locator("#live-word")).to_have_text("Live", timeout=60_000)

"""The chart as a person sees it: real Chromium, the whole system behind it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import expect

from domain.interval import Interval
from tests.browser.steps import (
    BITCOIN,
    PATIENT,
    forget_bars,
    legend,
    loaded,
    rows,
    wait_for_bars,
    wait_for_live,
)
from tests.pocketquant.processes import until

INTERVALS = ["1m", "3m", "5m", "15m", "30m", "45m", "1h", "2h", "3h", "4h", "1d", "1w", "1M"]
LABELS = {"1d": "1D", "1w": "1W"}


def test_the_forming_candle_moves(watching, open_page):
    page = open_page(BITCOIN)
    expect(legend(page)).to_contain_text("forming", timeout=PATIENT)
    wait_for_live(page)
    before = legend(page).inner_text()
    picture = page.locator("#chart").screenshot()
    page.wait_for_function("before => document.querySelector('#legend').innerText !== before", arg=before)
    until(lambda: page.locator("#chart").screenshot() != picture, what="another picture")
    expect(page.locator("#head-change")).to_have_text(re.compile(r"^[▲▼] [+−][\d,.]+ \([+−][\d.]+\s%\) today$"))
    expect(page.locator("#bar-closes")).to_have_text(re.compile(r"^Bar closes in \d+ s$"))
    expect(page.locator('[data-watch="DEMO:ETHUSD"] .change')).to_have_text(re.compile("%"))


def test_the_first_candle_is_there_within_a_second(open_page):
    taken = []
    page = open_page(f"{BITCOIN}?interval=1m")
    for _ in range(5):  # a machine that does other things too has its good moments
        wait_for_bars(page)
        assert loaded(page) >= 1_000
        taken.append(page.evaluate("performance.getEntriesByName('first-candle')[0].startTime"))
        if taken[-1] < 1_000:
            break
        page.reload()
    assert min(taken) < 1_000, taken


def test_the_theme_changes_page_and_chart(open_page):
    page = open_page(BITCOIN)
    wait_for_bars(page)
    background = "getComputedStyle(document.querySelector('#stage')).backgroundColor"
    assert page.evaluate(background) == "rgb(18, 22, 29)"
    dark = page.locator("#chart").screenshot()
    page.get_by_role("button", name="Dark or light").click()
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    assert page.locator("#chart").screenshot() != dark
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.locator('[popovertarget="menu"]:visible').click()
    page.get_by_role("radio", name="Blue/orange").check()
    assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--up')") == "#1765c0"


@pytest.mark.parametrize("width", [360, 390])
def test_a_phone_shows_all_without_sideways_scroll(open_page, width):
    page = open_page(BITCOIN, viewport={"width": width, "height": 740}, has_touch=True, is_mobile=True)
    wait_for_bars(page)
    wait_for_live(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("document.documentElement.scrollHeight") <= 740
    assert page.locator("#chart").bounding_box()["height"] > 300
    expect(page.locator(".session-strip [data-session=high]")).to_have_text(re.compile(r"\d"))
    page.get_by_role("button", name="Watchlist").click()
    expect(page.locator('[data-watch="DEMO:ETHUSD"]')).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Data").click()
    expect(page.get_by_role("heading", name="Stored data")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Search a symbol").click()
    page.get_by_role("combobox").fill("eth")
    page.get_by_role("option", name="DEMO:ETHUSD").tap()
    page.wait_for_url("**/chart/DEMO:ETHUSD*")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_keyboard_alone_does(open_page):
    page = open_page(f"{BITCOIN}?interval=1h")
    wait_for_bars(page, "1h")
    page.locator("#chart").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(legend(page)).not_to_contain_text("forming")
    page.keyboard.press("t")
    expect(page.locator("#table-view")).to_be_visible()
    assert len(rows(page)) > 50
    page.locator("#table-toggle").press("Enter")
    page.keyboard.type("15")
    page.keyboard.press("Enter")
    wait_for_bars(page, "15m")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("BTC/USD")
    expect(page.locator("#search-list [role=option]")).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url("**/chart/DEMO:BTCUSD")


def test_times_follow_the_zone_and_days_do_not(open_page):
    page = open_page(f"{BITCOIN}?interval=4h&tz=Asia/Kolkata")
    wait_for_bars(page, "4h")
    page.locator("#table-toggle").click()
    newest = page.locator("#table-view tbody tr td").first
    expect(newest).to_have_text(re.compile(r"\d (01|05|09|13|17|21):30 \(forming\)"))
    expect(page.locator("#clock")).to_have_text(re.compile(r"UTC\+05:30$"))
    page.locator("#zone").select_option("UTC")
    assert "tz=UTC" in page.url
    expect(newest).to_have_text(re.compile(r"\d (00|04|08|12|16|20):00 \(forming\)"))
    today = newest.inner_text()[:10]
    page.locator('#intervals [data-interval="1d"]').click()
    expect(newest).to_have_text(f"{today} (forming)", timeout=PATIENT)
    page.locator("#zone").select_option("exchange")
    expect(newest).to_have_text(f"{today} (forming)")


def test_a_copied_address_shows_the_same_bars(open_page):
    page = open_page(f"{BITCOIN}?interval=1h")
    wait_for_bars(page, "1h")
    page.locator("#tab-link").click()
    wanted = page.locator("#code").inner_text()
    start = re.search(r"start=([^&]+)", wanted)[1]
    moment = datetime.fromisoformat(start)
    end = f"{moment + timedelta(hours=50):%Y-%m-%dT%H:%M:%SZ}"
    other = open_page(f"{BITCOIN}?interval=1h&tz=UTC&from={start}&to={end}&ind=ema:20,ema:50")
    wait_for_bars(other, "1h")
    expect(legend(other)).to_contain_text("EMA 50")
    other.locator("#table-toggle").click()
    expect(other.locator("#table-view tbody tr").last).to_contain_text(f"{moment:%Y-%m-%d %H:%M}")
    expect(other.locator("#table-view tbody tr")).to_have_count(50)
    answer = other.request.get(wanted)
    assert answer.status == 200
    assert answer.json()["bars"][0]["open_time"] == start


def test_bars_that_cannot_be_loaded_leave_a_way_on(open_page):
    def refuse(page):
        body = {"title": "The store does not answer.", "detail": "The store does not answer.", "status": 503}
        page.route("**/api/v1/bars*", lambda route: route.fulfill(status=503, json=body))

    page = open_page(BITCOIN, setup=refuse)
    expect(page.locator("#problem-title")).to_have_text("The 1m bars of DEMO:BTCUSD could not be loaded")
    expect(page.locator("#problem-text")).to_contain_text("The store does not answer. Stored bars are safe.")
    page.unroute("**/api/v1/bars*")
    page.get_by_role("button", name="Try again").click()
    wait_for_bars(page)
    open_page.witnesses[-1].forgive(503)


def test_all_13_intervals_are_a_click_away_and_back(synced, open_page):
    page = open_page(BITCOIN)
    wait_for_bars(page)
    for interval in INTERVALS[1:]:
        page.locator(f'#intervals [data-interval="{interval}"]').click()
        wait_for_bars(page, LABELS.get(interval, interval))
        expect(legend(page)).to_contain_text("forming")
        assert loaded(page) > 100
        assert f"interval={interval}" in page.url
    expect(page.locator("#series .chip")).to_have_text("1M")
    page.go_back()
    wait_for_bars(page, "1W")


def test_older_bars_come_when_one_looks_back(synced, open_page):
    page = open_page(f"{BITCOIN}?interval=15m")
    wait_for_bars(page, "15m")
    first = loaded(page)
    page.locator("#chart").focus()
    page.keyboard.press("Home")
    page.wait_for_function(
        "n => Number(document.querySelector('#bars-loaded').textContent.replace(/\\D/g, '')) > n", arg=first
    )
    expect(page.locator("#live-edge")).to_be_visible()
    page.locator("#live-edge").click()
    expect(page.locator("#live-edge")).to_be_hidden()


def test_a_gap_is_hatched_and_filled_from_the_strip_below_the_chart(synced, system, open_page):
    forget_bars(system, "DEMO:ETHUSD", Interval.M15, 40, 30)
    page = open_page("/chart/DEMO:ETHUSD?interval=15m")
    wait_for_bars(page, "15m")
    expect(page.locator("#bars-loaded")).to_have_text(re.compile(r"bars loaded, 10 missing$"))
    expect(page.locator("#bars-loaded")).to_have_attribute("title", re.compile("Hatched in 1 place"))
    expect(page.locator("#coverage-text")).to_have_text(re.compile(r"^99\.\d\s% · 1 gap$"))
    expect(page.locator("#coverage-note")).to_have_text("10 bars are missing")
    expect(page.locator("#coverage-days .is-gap").first).to_be_visible()
    hatched = page.locator("#chart").screenshot()
    page.get_by_role("button", name="Fill").press("Enter")
    expect(page.locator("#toast")).to_have_text("Filled: 10 new bars")
    expect(page.locator("#bars-loaded")).to_have_text(re.compile(r"bars loaded$"))
    expect(page.locator("#coverage")).to_be_hidden()
    expect(page.locator("#coverage-share")).to_have_text(re.compile(r"^100\s% complete$"))
    assert page.locator("#chart").screenshot() != hatched


def test_a_chart_says_that_it_does_not_know_how_complete_it_is_and_asks_again(open_page):
    def refuse(page):
        body = {"title": "Temporarily unavailable", "detail": "MongoDB does not answer", "status": 503}
        page.route("**/api/v1/coverage*", lambda route: route.fulfill(status=503, json=body))

    page = open_page(BITCOIN, setup=refuse)
    wait_for_bars(page)
    expect(page.locator("#coverage-note")).to_have_text("MongoDB does not answer")
    page.unroute("**/api/v1/coverage*")
    page.locator("#coverage").get_by_role("button", name="Try again").click()
    expect(page.get_by_text("How complete this is cannot be told now")).to_be_hidden()
    open_page.witnesses[-1].forgive(503)

"""Coverage and sync pages as a person uses them: a sync is ordered and watched to its end, a gap is seen and filled."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from domain.interval import Interval
from tests.browser.steps import PATIENT, PHONE, forget_bars

BTC = "DEMO:BTCUSD"
HOURS = f"/coverage/{BTC}?interval=1h"


def watch_to_its_end(page):
    """The page brings itself up to date: nothing is clicked or loaded here."""
    expect(page).to_have_url(re.compile(r"/sync/\d+/$"))
    page.evaluate("window.isTheSame = true")
    expect(page.get_by_label("Progress").locator(".pill")).to_have_text("Done")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    assert page.evaluate("window.isTheSame") is True


def test_a_sync_is_shown_before_it_starts_and_watched_to_its_end(synced, system, open_page):
    forget_bars(system, BTC, Interval.H4, 40, 30)
    page, other = open_page("/sync/"), open_page("/sync/")
    page.get_by_role("textbox", name="Symbols").fill(f"{BTC} DEMO:AAPL")
    page.get_by_label("2h", exact=True).check()
    page.get_by_label("4h", exact=True).check()
    page.get_by_role("textbox", name="Symbols").press("Enter")
    expect(page.get_by_text(re.compile(r"[1-4] of 4 series need something: 1\d bars"))).to_be_visible()
    expect(page.get_by_role("textbox", name="Symbols")).to_have_value(f"{BTC} DEMO:AAPL")
    page.get_by_role("button", name="Start").click()
    watch_to_its_end(page)
    expect(page.get_by_text("4 of 4 series")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text=f"{BTC} 4h")).to_contain_text("Done")
    page.get_by_role("link", name=re.compile("^Done")).click()
    expect(page.get_by_role("row").filter(has_text=f"{BTC} 4h").get_by_role("cell").nth(1)).to_have_text("10")
    number = re.search(r"\d+", page.get_by_role("heading", level=1).inner_text())[0]
    # Whoever has the overview open sees it there, without loading it again.
    row = other.get_by_role("row").filter(has=other.get_by_role("link", name=number, exact=True))
    expect(row).to_contain_text("Done", timeout=PATIENT)
    expect(row).to_contain_text("4 / 4")


def test_a_symbol_that_is_not_there_is_named_where_it_was_typed(open_page):
    page = open_page("/sync/")
    page.get_by_role("textbox", name="Symbols").fill("DEMO:NOBODY")
    with page.expect_response("**/sync/start/") as answered:
        page.get_by_role("textbox", name="Symbols").press("Enter")
    assert answered.value.status == 400
    expect(page.get_by_role("alert")).to_contain_text("DEMO:NOBODY")
    expect(page.get_by_role("textbox", name="Symbols")).to_have_attribute("aria-invalid", "true")
    open_page.witnesses[-1].forgive(400)


def test_a_gap_is_seen_explained_and_filled_from_the_coverage_page(synced, system, open_page):
    forget_bars(system, BTC, Interval.H1, 60, 57)
    page = open_page("/coverage/")
    cell = page.get_by_role("row", name=re.compile(BTC)).get_by_role("link", name=re.compile("^1h: .* 3 missing"))
    expect(cell).to_have_class(re.compile("is-gap"))
    cell.click()
    gap = page.locator("#holes tbody tr")
    expect(gap).to_have_count(1)
    expect(gap.get_by_role("cell").nth(2)).to_have_text("3")
    expect(gap.get_by_role("cell").nth(3)).to_have_text("not asked")
    expect(gap.get_by_role("cell").nth(4)).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d$"))
    page.get_by_role("button", name="Compare with the stored bars").click()
    expect(page.get_by_text("compared with every stored bar")).to_be_visible()
    page.get_by_role("button", name="Fill").click()
    watch_to_its_end(page)
    page.goto(HOURS)
    expect(page.get_by_text("Nothing is missing.")).to_be_visible()
    expect(page.get_by_role("heading", name="Day by day")).to_be_visible()


@pytest.mark.parametrize("path", ["/coverage/", HOURS, "/sync/", "/sync/1/", "/coverage/DEMO:NOBODY"])
def test_phones_never_scroll_sideways_and_keep_the_bar_in_reach(open_page, path):
    page = open_page(path, **PHONE | {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"})
    for width in (390, 360):
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate("document.scrollingElement.scrollWidth") == width
        for name in ("Chart", "Coverage", "Sync", "About"):
            expect(page.locator(".bottombar").get_by_role("link", name=name)).to_be_in_viewport()
    if "NOBODY" in path:
        open_page.witnesses[-1].forgive(404)
    else:
        expect(page.locator(".bottombar [aria-current]")).to_have_text("Sync" if "sync" in path else "Coverage")


def test_the_matrix_is_walked_with_the_keyboard(open_page):
    page = open_page("/coverage/")
    page.locator("a.cell").first.focus()
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert " 3m:" in focused.get_attribute("title")
    assert focused.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/coverage/DEMO:\w+\?interval=3m$"), timeout=PATIENT)


def test_a_run_page_that_is_not_answered_says_so_and_goes_on(open_page):
    body = {"title": "Temporarily unavailable", "detail": "The queue is away.", "status": 503}
    pattern = "**/api/v1/sync/runs*"
    refuse = lambda page: page.route(pattern, lambda route: route.fulfill(status=503, json=body))  # noqa: E731
    page = open_page("/sync/", setup=refuse)
    expect(page.locator("#live-note")).to_contain_text("The queue is away. Next try at")
    page.unroute(pattern)
    expect(page.locator("#live-note")).to_be_hidden()
    open_page.witnesses[-1].errors.clear()  # one for each try


def test_without_scripts_the_figures_are_there_and_a_way_to_newer_ones(open_page):
    page = open_page("/sync/1/", java_script_enabled=False)
    expect(page.locator('[data-fact="of"]')).to_have_text(re.compile(r"^\d+ of 13 series$"))
    page.get_by_role("link", name="Reload").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Run 1")

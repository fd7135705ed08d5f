"""Pages beside the chart: getting in, getting around, and what each of them loads."""

from __future__ import annotations

import re

from playwright.sync_api import expect


def test_a_sign_in_link_works_once(browser, system, state):
    context = browser.new_context()
    answer = context.new_page().goto(system.link)
    assert answer.status == 410
    context.close()


def test_a_focus_can_be_seen_and_the_first_stop_skips_to_the_content(open_page):
    page = open_page("/about/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_each_page_loads_without_an_error_and_asks_no_other_host(open_page):
    """All at once: what is waited for is mostly that nothing more is loaded."""
    paths = [
        "/problems/",
        "/api/docs/",
        "/api/redoc/",
        "/admin/",
        "/admin/symbols/symbol/",
        "/api/v1/symbols",
        "/signout/",
    ]
    pages = [open_page(path, wait_until="commit") for path in paths]
    for page in pages:
        page.wait_for_load_state("networkidle")
        expect(page.locator("body")).to_contain_text(re.compile(r"\w"))

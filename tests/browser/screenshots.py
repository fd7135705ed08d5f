"""Pictures of the pages, for eyes: ``python -m tests.browser.screenshots [FOLDER]``, by default var/screenshots.

Desktop 1440x900 and phone 390x844, dark and light, from a system of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.browser.system import NO_CHROMIUM, ROOT, System, chromium, launch, sign_in

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
VIEWS = {
    "chart": "/chart/DEMO:BTCUSD?interval=1h&ind=ema:20,ema:50",
    "chart-1m": "/chart/DEMO:BTCUSD?interval=1m",
    "unknown": "/chart/DEMO:BTCUSDT",
    "about": "/about/",
}


def take(folder: Path) -> list[Path]:
    """Starts a system, takes every picture, ends it."""
    folder.mkdir(parents=True, exist_ok=True)
    system = System()
    taken = []
    try:
        system.wait_until_ready()
        with sync_playwright() as playwright:
            browser = launch(playwright)
            state = sign_in(browser, system)
            for size, (width, height) in SIZES.items():
                for theme in ("dark", "light"):
                    context = browser.new_context(
                        storage_state=state,
                        base_url=system.url,
                        viewport={"width": width, "height": height},
                        color_scheme=theme,
                        has_touch=size == "phone",
                        device_scale_factor=2 if size == "phone" else 1,
                    )
                    page = context.new_page()
                    for name, path in VIEWS.items():
                        page.goto(path)
                        if name.startswith("chart"):
                            expect(page.locator("#legend")).to_contain_text("forming", timeout=20_000)
                            expect(page.locator("#live-word")).to_have_text("Live", timeout=20_000)
                            page.wait_for_timeout(1_000)  # some flashes, as in life
                        taken.append(folder / f"{name}-{size}-{theme}.png")
                        page.screenshot(path=taken[-1])
                    context.close()
            browser.close()
    finally:
        system.stop()
    return taken


if __name__ == "__main__":
    if chromium() is None:
        sys.exit(NO_CHROMIUM)
    for path in take(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "var" / "screenshots"):
        print(path)

"""Files of others are what their README says they are, and come with their licences."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

VENDOR = Path(__file__).parents[2] / "static" / "vendor"
ROWS = re.findall(
    r"^\| `([^`]+)` \|.*`(licences/[^`]+)` \| `([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text(), re.M
)


def test_every_vendored_file_is_listed():
    assert {name for name, _, _ in ROWS} == {path.name for path in VENDOR.iterdir() if path.is_file()} - {"README.md"}


@pytest.mark.parametrize(("name", "licence", "checksum"), ROWS)
def test_a_vendored_file_has_its_checksum_and_its_licence(name, licence, checksum):
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == checksum
    assert (VENDOR / licence).stat().st_size > 500


def test_the_policy_lets_the_one_style_of_the_chart_library_pass():
    from pocketquant.csp import policy

    library = next(VENDOR.glob("lightweight-charts-*.mjs")).read_text()
    styles = re.findall(r'createElement\("style"\),[^;]*?innerText="([^"]*)"', library)
    assert len(styles) == 1
    digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy("/chart/", "n")


def test_the_about_page_has_the_chart_library_s_notice(client):
    text = client.get("/about/").content.decode()
    assert "TradingView Lightweight Charts™" in text
    assert "https://www.tradingview.com/" in text
    assert "These are not market prices" in text

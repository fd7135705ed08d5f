"""Scripts and templates: small, complete, and nothing that the policy forbids or that asks another host."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from web.templatetags.modules import CHART_LIBRARY, MODULES

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "static" / "js"
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
ENTRIES = {"chart", "shell", "sync", "theme-first"}  # named by a <script>, imported by nobody


def test_the_import_map_names_every_module():
    assert {path.stem for path in SCRIPTS.glob("*.js")} == set(MODULES) | ENTRIES


def test_every_import_is_in_the_map():
    for path in SCRIPTS.glob("*.js"):
        wanted = re.findall(r'^import [^;]*?from "([^"]+)"', path.read_text(), re.M)
        assert set(wanted) <= {"lightweight-charts", *(f"#{name}" for name in MODULES)}, path.name


def test_the_chart_page_s_scripts_stay_below_200_kb():
    files = [*SCRIPTS.glob("*.js"), ROOT / "static" / CHART_LIBRARY]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < 200_000


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_no_inline_handlers_styles_or_scripts(path):
    text = path.read_text()
    assert not re.search(r"<[^>]*\s(on\w+|style)=", text)
    assert "<style" not in text
    for tag in re.findall(r"<script[^>]*>", text):
        assert "src=" in tag or "nonce=" in tag, tag


def test_no_page_style_or_script_loads_from_another_host():
    for path in [*TEMPLATES, *SCRIPTS.glob("*.js"), *(ROOT / "static" / "css").glob("*.css")]:
        addresses = re.findall(r'(?:src|href|url|from|import|fetch)[=(\s"\']+(https?://[^\s"\')]+)', path.read_text())
        assert set(addresses) <= {"https://www.tradingview.com/"}, path.name  # a link on the About page


def test_the_modules_keep_their_promises():
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the scripts' own tests were not run")
    tests = sorted(str(path) for path in (Path(__file__).parent / "js").glob("*.test.mjs"))
    done = subprocess.run([node, "--test", *tests], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert re.search(r"^# fail 0$", done.stdout, re.M)

"""Contrast, computed from the colours in static/css/tokens.css as they are served."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

CSS = Path(__file__).parents[2] / "static" / "css"
TOKENS = (CSS / "tokens.css").read_text()
SURFACES = ("--bg", "--panel-bg", "--raise")
TEXTS = ("--text", "--text2", "--text3", "--accent", "--ok", "--warn", "--bad", "--up", "--down")
ON_TINTS = (
    ("--up", "--up-bg"),
    ("--down", "--down-bg"),
    ("--ok", "--ok-bg"),
    ("--warn", "--warn-bg"),
    ("--bad", "--bad-bg"),
    ("--accent", "--accent-bg"),
    ("--on-accent", "--accent"),
    ("--panel-bg", "--up"),  # the label of the last price
    ("--panel-bg", "--down"),
    ("--text", "--accent-bg"),
    ("--text", "--h1"),  # figures of the coverage matrix
    ("--text", "--h2"),
    ("--text", "--h3"),
    ("--on-accent", "--h4"),
)
LINES = ("--ctl", "--i1", "--i2", "--i3")


def _block(selector: str) -> dict[str, str]:
    found = re.search(re.escape(selector) + r"\s*\{([^}]*)\}", TOKENS)
    assert found, selector
    return dict(re.findall(r"(--[\w-]+):\s*(#[0-9a-f]{6});", found[1]))


def _look(theme: str, palette: str) -> dict[str, str]:
    base = _block(f'[data-theme="{theme}"]')
    return base if palette == "default" else base | _block(f'[data-theme="{theme}"][data-palette="{palette}"]')


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


LOOKS = list(itertools.product(("dark", "light"), ("default", "swapped", "cb")))


def test_the_measure_is_the_known_one():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize(("theme", "palette"), LOOKS)
def test_text_reaches_four_and_a_half_on_every_surface(theme, palette):
    look = _look(theme, palette)
    low = {
        (text, surface): round(ratio, 2)
        for text in TEXTS
        for surface in SURFACES
        if (ratio := contrast(look[text], look[surface])) < 4.5
    }
    assert low == {}


@pytest.mark.parametrize(("theme", "palette"), LOOKS)
def test_text_reaches_four_and_a_half_on_its_own_tint(theme, palette):
    look = _look(theme, palette)
    low = {
        (text, tint): round(ratio, 2) for text, tint in ON_TINTS if (ratio := contrast(look[text], look[tint])) < 4.5
    }
    assert low == {}


@pytest.mark.parametrize(("theme", "palette"), LOOKS)
def test_lines_and_control_edges_reach_three(theme, palette):
    look = _look(theme, palette)
    assert {
        (line, surface): round(ratio, 2)
        for line in LINES
        for surface in SURFACES
        if (ratio := contrast(look[line], look[surface])) < 3
    } == {}


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_palettes_change_prices_and_never_states(theme):
    for palette in ("swapped", "cb"):
        changed = _block(f'[data-theme="{theme}"][data-palette="{palette}"]')
        assert set(changed) == {"--up", "--down", "--up-bg", "--down-bg"}
    swapped, default = _look(theme, "swapped"), _look(theme, "default")
    assert (swapped["--up"], swapped["--down"]) == (default["--down"], default["--up"])


def test_colours_are_written_in_the_tokens_only():
    for name in ("base.css", "components.css", "chart.css"):
        text = re.sub(r"/\*.*?\*/", "", (CSS / name).read_text(), flags=re.S)
        assert re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", text) == [], name
    used = set(
        re.findall(
            r"var\((--[\w-]+)", "".join((CSS / n).read_text() for n in ("base.css", "components.css", "chart.css"))
        )
    )
    assert used - set(re.findall(r"(--[\w-]+):", TOKENS)) == set()

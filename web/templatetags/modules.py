"""The scripts of the pages: ES modules served as they are, imported by the names ``#name``."""

from __future__ import annotations

import json

from django import template
from django.templatetags.static import static
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

CHART_LIBRARY = "vendor/lightweight-charts-5.2.1.mjs"
# Every module that another one imports; node finds the same ones through static/js/package.json.
MODULES = (
    "api", "backoff", "bars", "canvas", "clock", "coverage", "ema", "feed", "find", "format", "gaps", "hatch",
    "history", "legend", "live", "loader", "navigation", "panel", "poll", "quotes", "runs", "scale", "sequence",
    "shortcuts", "states", "table", "theme", "toast", "zones",
)  # fmt: skip


@register.simple_tag
def import_map() -> SafeString:
    """The JSON of the page's import map."""
    names = {f"#{name}": static(f"js/{name}.js") for name in MODULES}
    text = json.dumps({"imports": {"lightweight-charts": static(CHART_LIBRARY), **names}})
    return mark_safe(text)  # noqa: S308 - addresses of our own files, and inside <script> entities would not be read


@register.simple_tag
def modules() -> list[str]:
    """Addresses to load ahead: without it the browser would find them one import at a time."""
    return [static(CHART_LIBRARY), *(static(f"js/{name}.js") for name in MODULES)]

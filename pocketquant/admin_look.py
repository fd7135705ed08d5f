"""The admin in our colours: django-unfold's shades, of which it uses the light ones on light and the dark on dark."""

from __future__ import annotations

from typing import Any

# The tokens of static/css/tokens.css and shades between them; tests hold the two together.
_GREYS = {
    "50": "#f5f6f8",  # bg, light
    "100": "#eef1f5",  # raise, light
    "200": "#dde2ea",  # line, light
    "300": "#c3cad5",
    "400": "#a3aebd",  # text2, dark
    "500": "#5d6979",  # text3, light
    "600": "#465263",  # text2, light
    "700": "#2f3947",
    "800": "#242c38",  # line, dark
    "900": "#12161d",  # panel, dark
    "950": "#0b0e13",  # bg, dark
}
_BLUES = {
    "50": "#ebf2fd",  # accent-bg, light
    "100": "#d6e4fb",
    "200": "#b6d0fa",
    "300": "#93bbfb",
    "400": "#7fb2ff",
    "500": "#6ea8ff",  # accent, dark
    "600": "#1d5fd1",  # accent, light
    "700": "#184fae",
    "800": "#173f87",
    "900": "#16305f",
    "950": "#142239",  # accent-bg, dark
}


def look(static_url: str) -> dict[str, Any]:  # django-unfold's setting holds anything
    """The value of ``UNFOLD``."""
    mark = f"{static_url}img/mark.svg"
    return {
        "SITE_TITLE": "PocketQuant",
        "SITE_HEADER": "PocketQuant",
        "SITE_SUBHEADER": "Registry and users",
        "SITE_URL": "/",
        "SITE_ICON": mark,
        "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": mark}],
        "BORDER_RADIUS": "6px",
        "COLORS": {"base": _GREYS, "primary": _BLUES},
    }

"""``meta`` as one header: cut until every proxy and client takes it."""

from __future__ import annotations

import json
from typing import Any

import orjson

# All headers of an answer together must fit into 4 KB, the least that a proxy sets aside for them (nginx).
MOST_BYTES = 2_048
_LISTS = ("missing", "freshness", "adjustments", "notes")
_ENTRIES = (6, 4, 2, 1, 0)  # of each list, from generous to none
_MOST_PROVIDER = 200  # characters


def brief(about: bytes) -> str:
    """``meta``, given as JSON, as JSON in ASCII of at most ``MOST_BYTES``.

    Of its lists as many entries stay as there is room for, the first ones; ``omitted`` says how many are left out of
    which. All that is no list stays.
    """
    meta: dict[str, Any] = orjson.loads(about)
    meta["provider"] = meta["provider"][:_MOST_PROVIDER]
    whole = _written(meta, max(len(meta[name]) for name in _LISTS))
    if len(whole) <= MOST_BYTES:
        return whole
    return next(text for text in (_written(meta, most) for most in _ENTRIES) if len(text) <= MOST_BYTES)


def _written(meta: dict[str, Any], most: int) -> str:
    lists = {name: meta[name][:most] for name in _LISTS}
    omitted = {name: len(meta[name]) - most for name in _LISTS if len(meta[name]) > most}
    return json.dumps(meta | lists | {"omitted": omitted}, separators=(",", ":"))

"""``meta`` as a header: within its bound whatever is in it, cut from the ends of its lists, and honest about that."""

from __future__ import annotations

import json

import orjson
from hypothesis import given
from hypothesis import strategies as some

from marketdata.meta_header import MOST_BYTES, brief

LISTS = ("missing", "freshness", "adjustments", "notes")
words = some.text(max_size=300)
entries = some.lists(some.fixed_dictionaries({"symbol": words, "detail": words}) | words, max_size=60)


@given(some.fixed_dictionaries(dict.fromkeys(LISTS, entries) | {"provider": words, "expected": some.integers(0, 9)}))
def test_a_header_is_short_and_in_ascii_and_says_what_it_leaves_out(meta):
    text = brief(orjson.dumps(meta))
    assert len(text) <= MOST_BYTES
    assert text.isascii()
    assert text.isprintable()
    told = json.loads(text)
    assert told["expected"] == meta["expected"]
    for name in LISTS:
        assert told[name] == meta[name][: len(told[name])]
        assert told["omitted"].get(name, 0) == len(meta[name]) - len(told[name])


def test_what_fits_is_told_whole():
    meta = {"missing": list(range(200)), "freshness": [], "adjustments": [], "notes": ["one"], "provider": "demo"}
    assert json.loads(brief(orjson.dumps(meta))) == meta | {"omitted": {}}


def test_fifty_symbols_leave_room_for_the_first_holes():
    fresh = {"symbol": "EXCHANGE:TICKER", "last": "2026-01-05T00:03:00Z", "expected_last": "2026-01-05T00:04:00Z",
             "is_current": True, "updated_at": "2026-01-05T00:04:00.123456Z", "forming_as_of": None}  # fmt: skip
    hole = {"symbol": "EXCHANGE:TICKER", "start": "2026-01-05T00:03:00Z", "end": "2026-01-05T00:04:00Z", "bars": 1,
            "reason": "not asked", "recoverable_until": "2026-01-08T00:04:00Z", "detail": ""}  # fmt: skip
    meta = {"missing": [hole] * 200, "freshness": [fresh] * 50, "adjustments": [], "notes": [], "provider": "demo"}
    told = json.loads(brief(orjson.dumps(meta)))
    assert (len(told["missing"]), told["omitted"]) == (4, {"missing": 196, "freshness": 46})

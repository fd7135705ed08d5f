"""Messages of the service, one function each; and what clients may ask for: specs, resolutions, ranges."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from domain.interval import Interval
from providers.demo import table
from providers.demo.instruments import Listing
from providers.demo.randomness import Ints

_RESOLUTIONS = {
    "1": Interval.M1,
    "3": Interval.M3,
    "5": Interval.M5,
    "15": Interval.M15,
    "30": Interval.M30,
    "45": Interval.M45,
    "60": Interval.H1,
    "120": Interval.H2,
    "180": Interval.H3,
    "240": Interval.H4,
    "1H": Interval.H1,
    "2H": Interval.H2,
    "3H": Interval.H3,
    "4H": Interval.H4,
    "D": Interval.D1,
    "1D": Interval.D1,
    "W": Interval.W1,
    "1W": Interval.W1,
    "M": Interval.MN1,
    "1M": Interval.MN1,
}
_MONTHS = {"3M": 3, "6M": 6, "12M": 12}
NODE = "demo-series-1"
_SECONDS = re.compile(r"[0-9]{0,4}S")
_CUSTOM = re.compile(r"[0-9]{1,4}[HDWMRT]?|[RT]")


class Resolution(NamedTuple):
    """What a series is made of: one of our intervals, or several months a bar."""

    interval: Interval
    months: int = 1


def resolution_of(code: object) -> Resolution | str | None:
    """What a resolution code means; a series_error reason if it needs an entitlement; None if it is invalid.

    Case matters: ``1M`` is a month and ``15m`` is invalid.
    """
    if not isinstance(code, str):
        return None
    found = _RESOLUTIONS.get(code)
    if found is not None:
        return Resolution(found)
    if code in _MONTHS:
        return Resolution(Interval.MN1, _MONTHS[code])
    if _SECONDS.fullmatch(code):
        return "seconds_not_entitled"
    return "custom_resolution" if _CUSTOM.fullmatch(code) else None


def symbol_of(spec: object) -> tuple[str, str]:
    """The symbol and the special chart type (empty for plain bars) that a spec names.

    A spec is ``EXCHANGE:TICKER`` or ``=`` and JSON, whose ``symbol`` may again be an object. What cannot be read
    gives an empty symbol. Blanks and the order of keys are free.
    """
    if not isinstance(spec, str):
        return "", ""
    if not spec.startswith("="):
        return ("", "") if spec.startswith("{") else (spec.strip(), "")
    try:
        value = orjson.loads(spec[1:])
    except orjson.JSONDecodeError:
        return "", ""
    chart_type = ""
    for _ in range(3):  # replay inside a special chart inside the spec
        if not isinstance(value, dict):
            break
        chart_type = chart_type or str(value.get("type") or "")
        value = value.get("symbol")
    return (value.strip(), chart_type) if isinstance(value, str) else ("", "")


def message(method: str, *params: object) -> bytes:
    """A message without the time: du, qsd, quote_completed and errors of a session."""
    return orjson.dumps({"m": method, "p": params})


def stamped(now_ms: int, method: str, *params: object) -> bytes:
    """A chart message, which carries the server's time."""
    return orjson.dumps({"m": method, "p": params, "t": now_ms // 1_000, "t_ms": now_ms})


def hello(session_id: str, now_ms: int) -> bytes:
    """The first packet of a connection; it has no ``m``."""
    return orjson.dumps(
        {
            "session_id": session_id,
            "timestamp": now_ms // 1_000,
            "timestampMs": now_ms,
            "release": "release_demo-1",
            "studies_metadata_hash": "0" * 40,
            "auth_scheme_vsn": 2,
            "protocol": "json",
            "via": "127.0.0.1:443",
            "javastudies": ["3.66"],
        }
    )


def unknown_session(method: str, params: Sequence[object]) -> bytes:
    """The service's Erlang-like text for a session that does not exist (any more)."""
    listed = orjson.dumps(params).decode()
    return message("protocol_error", f'{{unknown_session_id,<<"{method}">>,{listed}}}')


def invalid_parameters(session: str, method: str, params: Sequence[object]) -> bytes:
    """The critical_error for parameters that make no sense; it ends the session."""
    return message("critical_error", session, "invalid parameters", f'method: {method}. args: "[{_listed(params)}]"')


def invalid_timezone(session: str, params: Sequence[object]) -> bytes:
    return message(
        "critical_error", session, "invalid timezone", f'method: switch_timezone. args: "[{_listed(params)}]"'
    )


def _listed(params: Sequence[object]) -> str:
    return ", ".join(str(param) for param in params)


def bars(listing: Listing, rows: Ints, first_index: int) -> list[dict[str, object]]:
    """Rows as the elements of a series' ``s``: ``i`` before ``v``, float times, volume only where there is any.

    Stamped with the start of the span: a daily stock bar at its session's open, a week at that of its first day.
    """
    step = listing.minmov
    scale = listing.pricescale
    size = listing.size_scale
    if listing.has_volume:
        return [
            {"i": i, "v": [float(r[0]), r[3] * step / scale, r[4] * step / scale, r[5] * step / scale,
                           r[6] * step / scale, r[7] / size]}
            for i, r in enumerate(rows.tolist(), first_index)
        ]  # fmt: skip
    return [
        {"i": i, "v": [float(r[0]), r[3] * step / scale, r[4] * step / scale, r[5] * step / scale, r[6] * step / scale]}
        for i, r in enumerate(rows.tolist(), first_index)
    ]


def series_data(
    series: str, turnaround: str, elements: list[dict[str, object]], close_time: int, indexes: object
) -> dict[str, object]:
    """The object of a series in `timescale_update` and `du`, under the id that the client chose.

    Only a load, which sends all indexes (here none), names the node: clients that check every key refuse it in `du`.
    """
    node = {} if indexes == "nochange" else {"node": NODE}
    return {
        series: node
        | {
            "s": elements,
            "ns": {"d": "", "indexes": indexes},
            "t": turnaround,
            "lbs": {"bar_close_time": close_time},
        }
    }


def timescale(elements: list[dict[str, object]], first_index: int) -> dict[str, object]:
    times = [element["v"][0] for element in elements]  # type: ignore[index]  # `v` is always a list
    return {"index": first_index, "zoffset": 0, "changes": times, "marks": [], "index_diff": []}


def close_time_of(rows: Ints) -> int:
    return int(rows[-1, table.END]) if len(rows) else 0

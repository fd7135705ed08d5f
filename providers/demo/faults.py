"""Faults of the service, switched on and off while the market runs. One object a server, safe from any thread."""

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.errors import InvalidRequest
from providers.demo.withheld import withheld_of

ONE_SHOT = (
    "drop",  # the socket ends without a closing handshake
    "close",  # the socket is closed properly, code 1001
    "garbage",  # a message that is no packet at all, before the next one
    "bad_json",  # a packet whose payload is no JSON, before the next one
    "wrong_length",  # the next packet announces more than it holds
    "truncated",  # the next packet is cut in half
    "protocol_error",  # a protocol_error, then the end of the connection
    "late_correction",  # the bar before the last of every live series comes again with other values
)


@dataclass
class Faults:
    """What is wrong at the moment. Switches last until they are switched off; `inject` happens once a connection."""

    stall: bool = False  # nothing but heartbeats: no data, no answers
    silence: bool = False  # nothing at all, though the socket stays open
    no_heartbeat: bool = False
    rate_limit: bool = False  # upgrades are refused with 429
    forbidden: bool = False  # upgrades are refused with 403
    require_origin: bool = False  # upgrades without an Origin of the service are refused with 403
    refuse_token: bool = False  # every token is a bad one
    session_limit: bool = False  # no new chart session
    glue: bool = False  # packets share a message whenever they can
    frame_delay_seconds: float = 0.0  # before each message
    load_delay_seconds: float = 0.0  # before each history load is answered
    updates_per_load: int = 1  # a load's bars come in so many timescale_update
    duplicate_bars: bool = False  # a load repeats its last bar
    out_of_order_bars: bool = False  # a load has its last two bars exchanged
    symbol_errors: frozenset[str] = frozenset()  # these do not exist
    series_errors: frozenset[str] = frozenset()  # these have no series
    unanswered_symbols: frozenset[str] = frozenset()  # loads of these begin and never end
    muted_symbols: frozenset[str] = frozenset()  # these trade, but nobody is told: a symbol that died alone
    withhold: frozenset[str] = frozenset()  # bars that history lacks, as `withheld_of` reads them
    closing_delay_seconds: float = 0.0  # history shows a bar that has closed only so long after its end
    _injected: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=1_000), repr=False)
    _serial: int = field(default=0, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def set(self, **switches: object) -> None:
        """Set switches by name. Raises InvalidRequest for an unknown name or a value of another type."""
        for name, value in switches.items():
            setattr(self, name, _checked(name, value))

    def clear(self) -> None:
        """Everything works again; what was injected and not yet met is forgotten."""
        for name in SWITCHES:
            setattr(self, name, getattr(_HEALTHY, name))
        with self._lock:
            self._injected.clear()

    def inject(self, name: str, count: int = 1) -> None:
        """Let `name` (of ONE_SHOT) happen ``count`` times on every connection open now. Raises InvalidRequest."""
        if name not in ONE_SHOT:
            raise InvalidRequest(f"unknown fault {name!r}: use one of {' '.join(ONE_SHOT)}")
        with self._lock:
            for _ in range(min(count, 100)):
                self._serial += 1
                self._injected.append((self._serial, name))

    def serial(self) -> int:
        """How many were injected so far; a new connection begins here."""
        return self._serial

    def injected_after(self, serial: int) -> list[tuple[int, str]]:
        """One-shot faults that a connection has not met yet."""
        if serial == self._serial:
            return []
        with self._lock:
            return [entry for entry in self._injected if entry[0] > serial]

    def state(self) -> dict[str, object]:
        """All switches, as JSON has them."""
        values = {name: getattr(self, name) for name in SWITCHES}
        return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in values.items()}


_HEALTHY = Faults()
SWITCHES = tuple(field.name for field in dataclasses.fields(Faults) if not field.name.startswith("_"))


def _checked(name: str, value: object) -> object:
    if name not in SWITCHES:
        raise InvalidRequest(f"unknown fault {name!r}: use one of {' '.join((*SWITCHES, *ONE_SHOT))}")
    healthy = getattr(_HEALTHY, name)
    if isinstance(healthy, frozenset) and not isinstance(value, str) and hasattr(value, "__iter__"):
        found = frozenset(str(entry) for entry in value)
        for entry in found if name == "withhold" else ():
            withheld_of(entry)
        return found
    if isinstance(healthy, bool) or not isinstance(healthy, (int, float)):
        if type(value) is type(healthy):
            return value
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 3_600:
        return type(healthy)(value)
    raise InvalidRequest(f"{name} takes {_meaning(healthy)}, not {value!r}")


def _meaning(healthy: object) -> str:
    if isinstance(healthy, bool):
        return "true or false"
    return "a list" if isinstance(healthy, frozenset) else "a number from 0 to 3600"


def set_from_query(faults: Faults, query: Mapping[str, str]) -> None:
    """Apply what a URL's query asks for: ``clear=1``, then switches, then ``inject=NAME`` with ``count=N``.

    Raises InvalidRequest, having changed nothing but what came before the mistake.
    """
    wanted = dict(query)
    if _flag("clear", wanted.pop("clear", "false")):
        faults.clear()
    injected = wanted.pop("inject", "")
    count = wanted.pop("count", "1")
    if not count.isdecimal():
        raise InvalidRequest(f"count takes a whole number, not {count[:40]!r}")
    faults.set(**{name: _parsed(name, text) for name, text in wanted.items()})
    if injected:
        faults.inject(injected, int(count))


def _parsed(name: str, text: str) -> object:
    healthy = getattr(_HEALTHY, name, None) if name in SWITCHES else None
    if isinstance(healthy, bool):
        return _flag(name, text)
    if isinstance(healthy, frozenset):
        return [symbol for symbol in text.split(",") if symbol]
    try:
        return float(text)
    except ValueError as error:
        raise InvalidRequest(f"{name} takes {_meaning(healthy)}, not {text[:40]!r}") from error


def _flag(name: str, text: str) -> bool:
    flags = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}
    if text.lower() not in flags:
        raise InvalidRequest(f"{name} takes true or false, not {text[:40]!r}")
    return flags[text.lower()]

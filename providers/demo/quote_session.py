"""A quote session: which symbols a client follows under which keys, and with which fields. No I/O."""

from __future__ import annotations

import orjson

from providers.demo.quotes import FieldSet, Update
from providers.demo.wire import message

MAX_KEYS = 2_000


class QuoteSession:
    """Keys are kept and told verbatim: clients look them up as strings."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._head = b'{"m":"qsd","p":[' + orjson.dumps(name) + b","
        self._fields: FieldSet = None
        self.keys: dict[str, str] = {}  # key -> symbol, all that were added
        self._told: dict[str, list[str]] = {}  # symbol -> keys whose full quote was sent

    def set_fields(self, fields: list[str]) -> None:
        """Replace the set; a session that never names fields gets all."""
        self._fields = frozenset(fields)

    def snapshot(self, key: str, update: Update) -> list[bytes]:
        """The full quote of a key and its completion; partial ones follow from now on."""
        told = self._told.setdefault(self.keys[key], [])
        if key not in told:
            told.append(key)
        return [*self.packets([key], update), message("quote_completed", self.name, key)]

    def packets(self, keys: list[str], update: Update) -> list[bytes]:
        found = [update.quote(key, self._fields) for key in keys]
        return [self._head + quote + b"]}" for quote in found if quote is not None]

    def partial(self, symbol: str, update: Update) -> list[bytes]:
        """An update for every key of ``symbol`` whose full quote was sent."""
        return self.packets(self._told.get(symbol, []), update)

    def error(self, key: str, text: str) -> bytes:
        return message("qsd", self.name, {"n": key, "s": "error", "errmsg": text, "v": {}})

    def remove(self, key: str) -> None:
        symbol = self.keys.pop(key, "")
        told = self._told.get(symbol, [])
        if key in told:
            told.remove(key)

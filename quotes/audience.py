"""Who follows what: the listeners of one web process, by symbol and by series."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from quotes.outlet import Message

Series = tuple[str, str]  # symbol and interval; "quote" in place of an interval


class Listener(Protocol):
    """A connection, as the hub sees it. None of these waits."""

    symbols: dict[str, set[str]]  # symbol -> intervals whose forming bars are wanted

    def deliver(self, message: Message) -> None: ...
    def flush(self) -> None: ...
    def resnapshot(self, symbols: Iterable[str]) -> None: ...
    def tick(self, now: float) -> None: ...


class Audience:
    """``on_watch()`` is called when a series may have its first watcher; ``on_follow(symbol)`` and
    ``on_unfollow(symbol)`` when a symbol gets its first follower and loses its last."""

    def __init__(
        self,
        *,
        on_watch: Callable[[], None],
        on_follow: Callable[[str], None],
        on_unfollow: Callable[[str], None],
    ) -> None:
        self.listeners: set[Listener] = set()
        self.followers: dict[str, set[Listener]] = {}
        self.watchers: dict[Series, set[Listener]] = {}
        self.latest: dict[Series, Message] = {}  # of watched series
        self._on_watch, self._on_follow, self._on_unfollow = on_watch, on_follow, on_unfollow

    def add(self, listener: Listener) -> None:
        self.listeners.add(listener)

    def remove(self, listener: Listener) -> None:
        for symbol, intervals in list(listener.symbols.items()):
            self.drop(listener, symbol, set(intervals))
        self.listeners.discard(listener)

    def join(self, listener: Listener, symbol: str, intervals: Iterable[str]) -> None:
        """From now on ``listener`` gets what is said of ``symbol``, and its forming bars of ``intervals``."""
        if symbol not in self.followers:
            self.followers[symbol] = set()
            self._on_follow(symbol)
        self.followers[symbol].add(listener)
        for what in (*intervals, "quote"):
            self.watchers.setdefault((symbol, what), set()).add(listener)
        self._on_watch()

    def leave(self, listener: Listener, symbol: str, intervals: Iterable[str]) -> None:
        """No more forming bars of these series."""
        for interval in intervals:
            self._unwatch((symbol, interval), listener)

    def drop(self, listener: Listener, symbol: str, intervals: Iterable[str]) -> None:
        """Nothing more about ``symbol`` at all."""
        self.leave(listener, symbol, (*intervals, "quote"))
        followers = self.followers.get(symbol)
        if followers is None:
            return
        followers.discard(listener)
        if not followers:
            del self.followers[symbol]
            self._on_unfollow(symbol)

    def newest(self, symbol: str, intervals: Iterable[str]) -> list[Message]:
        """The newest quote and forming bars that passed here: Redis holds them up to a quarter of a second later."""
        keys = [(symbol, "quote"), *((symbol, interval) for interval in intervals)]
        return [self.latest[key] for key in keys if key in self.latest]

    def _unwatch(self, key: Series, listener: Listener) -> None:
        watchers = self.watchers.get(key)
        if watchers is not None:
            watchers.discard(listener)
            if not watchers:
                del self.watchers[key]
                self.latest.pop(key, None)

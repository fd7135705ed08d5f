"""What the web process itself has to say of a symbol: that the streamer does not speak for it, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from quotes import messages
from quotes.snapshots import NOT_FOLLOWED, SILENT_OFFLINE_SECONDS, SILENT_STALE_SECONDS
from quotes.status import FeedState, Status


class Silence:
    """Told what is heard of the followed symbols; ``say(symbol, text)`` is called with a ``status`` message once for
    each state that they fall into. ``clock`` tells monotonic seconds.
    """

    def __init__(self, say: Callable[[str, bytes], None], clock: Callable[[], float]) -> None:
        self._say, self._clock = say, clock
        self._heard: dict[str, float] = {}
        self._heads: dict[str, tuple[int, int]] = {}  # symbol -> (epoch, seq) of its last message
        self._told: dict[str, FeedState] = {}  # symbols that browsers believe to be silent
        self._beat_at = float("-inf")  # the last heartbeat of any shard, whomever it names

    def follow(self, symbol: str) -> None:
        """Its silence counts from here."""
        self._heard[symbol] = self._clock()

    def unfollow(self, symbol: str) -> None:
        for table in (self._heard, self._heads, self._told):
            table.pop(symbol, None)

    def numbered(self, symbol: str, epoch: int, seq: int) -> None:
        """The last message of a followed symbol that has a number of its own."""
        self._heads[symbol] = epoch, seq

    def beat(self, epoch: int, seqs: Mapping[str, int]) -> list[str]:
        """A heartbeat: the symbols that were said to be silent and are not."""
        now = self._beat_at = self._clock()
        for symbol, seq in seqs.items():
            if symbol in self._heard:
                self._heard[symbol] = now
                self._heads[symbol] = epoch, seq
        return [symbol for symbol in seqs if self._told.pop(symbol, None)]

    def over(self, symbols: Iterable[str]) -> None:
        """Messages of these arrive again, and their state is sent anew."""
        now = self._clock()
        for symbol in symbols:
            self._heard[symbol] = now
            self._told.pop(symbol, None)

    def interrupted(self, symbols: Iterable[str], reason: str) -> None:
        """Nothing of these can be heard at present."""
        for symbol in symbols:
            self._tell(symbol, FeedState.STALE, f"live messages are interrupted: {reason}")

    def was_told(self, symbol: str, state: FeedState) -> None:
        """A snapshot said so: the next heartbeat that names the symbol sets it right."""
        if symbol in self._heard:
            self._told.setdefault(symbol, state)

    def check(self) -> None:
        """Say of whom nothing was heard for too long."""
        now = self._clock()
        is_beating = now - self._beat_at <= SILENT_STALE_SECONDS
        for symbol, heard in list(self._heard.items()):
            silent = now - heard
            if silent <= SILENT_STALE_SECONDS:
                continue
            if is_beating:
                self._tell(symbol, FeedState.OFFLINE, NOT_FOLLOWED)
            elif silent > SILENT_OFFLINE_SECONDS:
                self._tell(symbol, FeedState.OFFLINE, "the streamer has fallen silent")
            elif symbol not in self._told:
                self._tell(symbol, FeedState.STALE, "the streamer has fallen silent")

    def _tell(self, symbol: str, state: FeedState, reason: str) -> None:
        if self._told.get(symbol) == state:
            return
        self._told[symbol] = state
        now = datetime.now(UTC)
        fields = messages.status_fields(Status(state=state, since=now, reason=reason), now)
        # It repeats the last number: it is this process that speaks, not the streamer.
        self._say(symbol, messages.about("status", symbol, *self._heads.get(symbol, (0, 0)), fields))
